/** The look of what is typed or chosen in, however high. */
export const INPUT_LOOK =
  "w-full rounded-md border border-line-strong bg-surface px-2.5 text-14 text-text placeholder:text-faint max-sm:text-16 " +
  "aria-invalid:border-danger focus-visible:outline-offset-0 disabled:bg-sunken disabled:text-muted";

/** That of one line. */
export const INPUT = `h-8 max-sm:h-10 ${INPUT_LOOK}`;
