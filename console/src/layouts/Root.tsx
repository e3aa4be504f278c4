import { Outlet, useMatches } from "@tanstack/react-router";
import { pageAddress } from "../ui/Page.tsx";

/** Around every page. The address is that of the page that is shown, not of one that is still on its way. */
export function RootLayout() {
  const address = useMatches({ select: (matches) => matches.at(-1)?.pathname ?? "" });
  return (
    <pageAddress.Provider value={address}>
      <Outlet />
    </pageAddress.Provider>
  );
}
