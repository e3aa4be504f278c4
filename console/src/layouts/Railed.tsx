import { Link, useLocation } from "@tanstack/react-router";
import { type ReactNode, useEffect, useRef } from "react";
import { classes } from "../ui/classes.ts";
import { pagePlace } from "../ui/Page.tsx";

/** A section's page. The command palette leads to the same ones, so that none is left out there. */
export interface RailItem {
  readonly label: string;
  /** Its name where no rail says whose it is. */
  readonly name?: string;
  readonly to: string;
  /** Belongs to the item before it. */
  readonly nested?: boolean;
  /** Is the section of the pages below its own, too. */
  readonly holds?: boolean;
}

interface RailedProps {
  /** What the sections are sections of. */
  readonly title: string;
  /** Said by the tab's title after that of the page; undefined while it is not known. */
  readonly place?: string | undefined;
  readonly items: readonly RailItem[];
  readonly children: ReactNode;
}

/** Content beside the rail of its sections; on narrow screens the rail lies above it. */
export function Railed({ title, place, items, children }: RailedProps) {
  const rail = useRef<HTMLUListElement>(null);
  const { pathname } = useLocation();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the present item is another one on another page
  useEffect(() => {
    const list = rail.current;
    const present = list?.querySelector("[aria-current=page]")?.getBoundingClientRect();
    if (!list || !present) return;
    // On a narrow screen the rail scrolls sideways, and the page itself must stay where it is.
    const { left, width } = list.getBoundingClientRect();
    list.scrollLeft += present.left - left - (width - present.width) / 2;
  }, [pathname]);
  return (
    <div className="mx-auto grid w-full max-w-[1440px] flex-1 grid-cols-1 content-start gap-x-8 px-4 md:grid-cols-[184px_minmax(0,1fr)] md:px-6">
      <nav
        aria-label={title}
        className="-mx-4 border-b border-line px-4 py-2 md:sticky md:top-12 md:mx-0 md:self-start md:border-b-0 md:px-0 md:py-8"
      >
        <p className="hidden px-2.5 pb-2 text-13 text-muted md:block">{title}</p>
        <ul ref={rail} className="flex gap-1 overflow-x-auto p-0.5 md:flex-col md:overflow-visible">
          {items.map(({ label, to, nested, holds }) => (
            <li key={to} className="shrink-0">
              <Link
                to={to}
                activeOptions={{ exact: !holds, includeSearch: false }}
                className={classes(
                  nested && "md:ml-4",
                  "block rounded-md px-2.5 py-1.5 text-muted hover:bg-hover hover:text-text aria-[current=page]:bg-pressed aria-[current=page]:font-medium aria-[current=page]:text-text",
                )}
              >
                {label}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <main id="content" tabIndex={-1} className="w-full max-w-[1200px] min-w-0 py-6 md:py-8">
        <pagePlace.Provider value={place}>{children}</pagePlace.Provider>
      </main>
    </div>
  );
}
