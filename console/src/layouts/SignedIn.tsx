import { Outlet, useRouter } from "@tanstack/react-router";
import { useEffect } from "react";
import { queries } from "../api/queries.ts";
import { TopBar } from "../components/TopBar.tsx";
import { fetchWhenIdle } from "../ui/late.tsx";

/** The frame of every page of a person who is signed in. */
export function SignedInLayout() {
  const router = useRouter();
  useEffect(() => fetchWhenIdle(() => router.state.status === "pending" || queries.isFetching() > 0), [router]);
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
