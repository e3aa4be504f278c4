import { Link } from "@tanstack/react-router";
import { KeyRound, LogOut, User } from "lucide-react";
import { paths } from "../paths.ts";
import { Menu, MenuChoice, MenuItem, MenuLink, MenuSeparator } from "../ui/Menu.tsx";
import { Breadcrumb } from "./Breadcrumb.tsx";
import { Logo } from "./Logo.tsx";
import { PaletteButton } from "./PaletteButton.tsx";
import { usePerson } from "./present.ts";
import { signOutFromMenu } from "./sign-out.ts";
import { THEMES, useTheme } from "./theme.ts";

export function TopBar() {
  return (
    <header className="sticky top-0 z-20 flex h-12 shrink-0 items-center gap-2 border-b border-line bg-canvas px-3 md:gap-3 md:px-4">
      <Link to={paths.home()} aria-label="Latchkey, your projects" className="flex rounded-md p-1">
        <Logo word={false} />
      </Link>
      <Breadcrumb />
      <div className="ml-auto flex shrink-0 items-center gap-1 md:gap-2">
        <PaletteButton />
        <UserMenu />
      </div>
    </header>
  );
}

function UserMenu() {
  const person = usePerson();
  const [theme, setTheme] = useTheme();
  return (
    <Menu
      align="end"
      className="w-60"
      trigger={
        <button
          type="button"
          // Whoever speaks to the computer says what they see (WCAG 2.5.3).
          aria-label={`${initials(person?.name ?? "")}, User menu of ${person?.name ?? "…"}`}
          className="flex size-8 items-center justify-center rounded-full border border-line-strong bg-surface text-13 font-medium hover:bg-hover data-popup-open:bg-pressed"
        >
          {initials(person?.name ?? "")}
        </button>
      }
    >
      <div className="px-2.5 pt-1.5 pb-2">
        <p className="truncate font-medium">{person?.name}</p>
        <p className="truncate text-13 text-muted">{person?.email}</p>
      </div>
      <MenuSeparator />
      <MenuLink link={<Link to={paths.profile()} />}>
        <User aria-hidden />
        Account settings
      </MenuLink>
      <MenuLink link={<Link to={paths.apiKeys()} />}>
        <KeyRound aria-hidden />
        API keys
      </MenuLink>
      <MenuSeparator />
      <MenuChoice label="Theme" value={theme} options={THEMES} onChange={setTheme} />
      <MenuSeparator />
      <MenuItem onClick={() => signOutFromMenu()}>
        <LogOut aria-hidden />
        Sign out
      </MenuItem>
    </Menu>
  );
}

function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const letters = [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => Array.from(word ?? "")[0] ?? "");
  return letters.join("").toUpperCase();
}
