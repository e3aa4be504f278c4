import type { ReactNode } from "react";
import { Logo } from "../components/Logo.tsx";
import { Page } from "../ui/Page.tsx";

interface VisitorProps {
  readonly title: string;
  readonly description?: ReactNode;
  readonly children: ReactNode;
  /** The other ways from here, below the form. */
  readonly footer?: ReactNode;
}

/** The frame of the pages that need nobody signed in. */
export function Visitor({ title, description, children, footer }: VisitorProps) {
  return (
    <div className="flex min-h-dvh flex-col items-center px-4 py-10 sm:py-[14vh]">
      <header className="pb-8 text-16">
        <Logo />
      </header>
      <main className="w-full max-w-[400px] rounded-lg border border-line bg-surface p-6">
        <Page title={title} description={description} step={title}>
          {children}
        </Page>
      </main>
      {footer && <footer className="pt-6 text-muted">{footer}</footer>}
    </div>
  );
}

/** A link in running text. */
export const TEXT_LINK = "text-accent underline underline-offset-2 hover:text-accent-hover";
