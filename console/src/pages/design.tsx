import { Link } from "@tanstack/react-router";
import { Charts } from "../components/design/Charts.tsx";
import { Controls } from "../components/design/Controls.tsx";
import { Messages } from "../components/design/Messages.tsx";
import { Tables } from "../components/design/Tables.tsx";
import { Tokens } from "../components/design/Tokens.tsx";
import { Logo } from "../components/Logo.tsx";
import { THEMES, useTheme } from "../components/theme.ts";
import { paths } from "../paths.ts";
import { Button } from "../ui/Button.tsx";
import { Page } from "../ui/Page.tsx";

/** Every component of `ui/` in its states, and the charts, for whoever changes one. Nothing here asks the server anything. */
export function DesignPage() {
  const [theme, setTheme] = useTheme();
  return (
    <>
      <header className="sticky top-0 z-20 flex h-12 items-center justify-between gap-4 border-b border-line bg-canvas px-4">
        <Link to={paths.home()} className="rounded-md">
          <Logo />
        </Link>
        <fieldset className="flex gap-1">
          <legend className="sr-only">Theme</legend>
          {THEMES.map(({ value, label }) => (
            <Button key={value} kind="quiet" aria-pressed={theme === value} onClick={() => setTheme(value)}>
              <span className={theme === value ? "underline underline-offset-4" : ""}>{label}</span>
            </Button>
          ))}
        </fieldset>
      </header>
      <main className="mx-auto max-w-[1200px] px-4 py-10">
        <Page title="Design" description="The components of the Console in their states, in the theme that is on.">
          <Tokens />
          <Controls />
          <Messages />
          <Tables />
          <Charts />
        </Page>
      </main>
    </>
  );
}
