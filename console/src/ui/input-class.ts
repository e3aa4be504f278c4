/** The look of what is typed or chosen in. */
export const INPUT =
  "h-8 w-full rounded-md border border-line-strong bg-surface px-2.5 text-14 text-text placeholder:text-faint max-sm:h-10 max-sm:text-16 " +
  "aria-invalid:border-danger focus-visible:outline-offset-0 disabled:bg-sunken disabled:text-muted";
