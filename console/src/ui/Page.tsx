import { createContext, type ReactNode, useContext, useEffect, useRef } from "react";

interface PageProps {
  readonly title: string;
  readonly description?: ReactNode;
  /** The page's one or two actions, at the right of the title. */
  readonly actions?: ReactNode;
  /** Which of several pages it is that one address shows one after the other. */
  readonly step?: string;
  readonly children: ReactNode;
}

/** The address of the page that is shown. */
export const pageAddress = createContext("");
/** Of what the page is one, for the tab's title: several tabs show the same page of different projects. */
export const pagePlace = createContext<string | undefined>(undefined);

/** The page before; the first page of a visit must not take the focus. */
let previous: string | undefined;

/**
 * A page's heading and content. Coming from another page, the heading takes the focus: a screen reader says
 * where one is, and the next Tab is the page's first control. A page is known by its address, since different
 * ones have the same title, and the title of one may come late.
 */
export function Page({ title, description, actions, step, children }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const place = useContext(pagePlace);
  const page = `${useContext(pageAddress)} ${step ?? ""}`;
  useEffect(() => {
    if (previous !== undefined && previous !== page) heading.current?.focus({ preventScroll: true });
    previous = page;
  }, [page]);
  useEffect(() => {
    document.title = [title, ...(place === undefined || place === title ? [] : [place]), "Latchkey"].join(" · ");
  }, [title, place]);
  return (
    <div className="flex flex-col gap-6">
      <header className="flex flex-wrap items-start justify-between gap-x-6 gap-y-3">
        <div className="flex min-w-0 flex-col gap-1">
          <h1 ref={heading} tabIndex={-1} className="text-20 font-semibold break-words">
            {title}
          </h1>
          {description && <div className="max-w-[65ch] text-pretty text-muted">{description}</div>}
        </div>
        {actions && <div className="flex flex-wrap gap-2">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

interface SectionProps {
  readonly title: string;
  readonly description?: ReactNode;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}

export function Section({ title, description, actions, children }: SectionProps) {
  return (
    <section className="flex flex-col gap-3">
      <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-2">
        <div className="flex flex-col gap-0.5">
          <h2 className="text-16 font-semibold">{title}</h2>
          {description && <p className="max-w-[65ch] text-pretty text-muted">{description}</p>}
        </div>
        {actions}
      </div>
      {children}
    </section>
  );
}

/** An empty list: one sentence that teaches, and the one action. */
export function Empty({ children, action }: { readonly children: ReactNode; readonly action?: ReactNode }) {
  return (
    <div className="flex flex-col items-start gap-3 rounded-lg border border-dashed border-line-strong px-5 py-8">
      <p className="max-w-[60ch] text-pretty text-muted">{children}</p>
      {action}
    </div>
  );
}

/** Named facts: the browser's own list of terms and descriptions. */
export function Facts({ children }: { readonly children: ReactNode }) {
  return <dl className="grid grid-cols-[minmax(7rem,auto)_1fr] items-baseline gap-x-6 gap-y-2">{children}</dl>;
}

export function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      {/* A copy button is taller than its line, and must not move the rows apart. */}
      <dd className="min-w-0 break-words [&_button]:-my-1">{children}</dd>
    </>
  );
}
