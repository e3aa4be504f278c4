/** The mark: a key in profile. */
export function Logo({ word = true }: { readonly word?: boolean }) {
  return (
    <span className="inline-flex items-center gap-2 font-semibold">
      <svg viewBox="0 0 32 32" className="size-6 shrink-0" aria-hidden>
        <rect width="32" height="32" rx="7" className="fill-accent" />
        <g className="fill-none stroke-on-accent" strokeWidth="2.5" strokeLinecap="round" strokeLinejoin="round">
          <circle cx="11.5" cy="16" r="4.5" />
          <path d="M16 16h9M21 16v4M25 16v3" />
        </g>
      </svg>
      {word && "Latchkey"}
    </span>
  );
}
