import { Outlet } from "@tanstack/react-router";
import { paths } from "../paths.ts";
import { Railed, type RailItem } from "./Railed.tsx";

export const ACCOUNT_SECTIONS: readonly RailItem[] = [
  { label: "Profile", to: paths.profile() },
  { label: "API keys", to: paths.apiKeys() },
  { label: "Command lines", to: paths.commandLines() },
  { label: "Sessions", to: paths.sessions() },
];

export function AccountLayout() {
  return (
    <Railed title="Account settings" items={ACCOUNT_SECTIONS}>
      <Outlet />
    </Railed>
  );
}
