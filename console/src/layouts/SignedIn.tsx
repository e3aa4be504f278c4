import { Outlet } from "@tanstack/react-router";
import { TopBar } from "../components/TopBar.tsx";

/** The frame of every page of a person who is signed in. */
export function SignedInLayout() {
  return (
    <div className="flex min-h-dvh flex-col">
      <a
        href="#content"
        className="sr-only z-50 rounded-md bg-accent px-3 py-2 text-on-accent focus:not-sr-only focus:fixed focus:top-2 focus:left-2"
      >
        Skip to content
      </a>
      <TopBar />
      <Outlet />
    </div>
  );
}
