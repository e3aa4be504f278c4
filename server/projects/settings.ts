import { BlockList, isIP } from "node:net";
import type { ProjectSettings } from "@latchkey/contract/projects.ts";
import { ApiError } from "../errors.ts";

/** The settings of a project, checked; throws 400 for an entry of the list of addresses that names none. */
export function checkProjectSettings(settings: ProjectSettings): ProjectSettings {
  for (const entry of settings.allowed_ips?.ips ?? []) {
    if (isAddresses(entry.replaceAll(/\s/g, ""))) continue;
    const form = "an address, a range a-b or a network a/n";
    throw new ApiError("bad_request", `${JSON.stringify(entry)} in "allowed_ips" is not ${form}`);
  }
  return settings;
}

/** Neon's forms: `203.0.113.7`, `203.0.113.0/24`, `203.0.113.1-203.0.113.20`. */
function isAddresses(entry: string): boolean {
  const [, first = "", last, prefix] = /^([^-/]+)(?:-([^/]+)|\/(\d{1,3}))?$/.exec(entry) ?? [];
  const version = isIP(first);
  if (version === 0) return false;
  if (prefix !== undefined) return Number(prefix) <= (version === 4 ? 32 : 128);
  if (last === undefined) return true;
  try {
    new BlockList().addRange(first, last, version === 4 ? "ipv4" : "ipv6");
    return true;
  } catch {
    return false;
  }
}
