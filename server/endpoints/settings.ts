import type { DefaultEndpointSettings } from "@latchkey/contract/endpoints.ts";
import { ApiError } from "../errors.ts";

type Settings = Readonly<Record<string, string>>;

/** The settings of a new compute: the project's, and over them its own. Throws 400 for one that cannot be chosen. */
export function chooseSettings(
  known: readonly string[],
  { pg_settings: usual = {} }: DefaultEndpointSettings,
  own: Settings | undefined,
): Settings {
  checkSettings(known, own);
  return { ...usual, ...own };
}

/** When a new compute is suspended: its own wish, the project's, or as usual (0). */
export function chooseSuspendTimeout(
  { suspend_timeout_seconds: usual = 0 }: DefaultEndpointSettings,
  own: number | undefined,
): number {
  return own ?? usual;
}

/** Throws 400, naming the setting, unless all of them can be chosen; PostgreSQL judges their values later. */
export function checkSettings(known: readonly string[], settings: Settings = {}): void {
  for (const name of Object.keys(settings)) {
    if (known.includes(name)) continue;
    throw new ApiError("bad_request", `"${name.slice(0, 64)}" is not a setting that can be chosen here`);
  }
}
