import { Outlet } from "@tanstack/react-router";
import { paths } from "../paths.ts";
import { Railed } from "./Railed.tsx";

const SECTIONS = [
  { label: "Profile", to: paths.profile() },
  { label: "API keys", to: paths.apiKeys() },
  { label: "Command lines", to: paths.commandLines() },
  { label: "Sessions", to: paths.sessions() },
];

export function AccountLayout() {
  return (
    <Railed title="Account settings" items={SECTIONS}>
      <Outlet />
    </Railed>
  );
}
