import type { ListedKey } from "@latchkey/contract/api-keys.ts";

/** A quarter: what runs once in one, such as a report, still counts as in use. */
export const STALE_AFTER_DAYS = 90;
const STALE_AFTER_MS = STALE_AFTER_DAYS * 24 * 3_600_000;

/**
 * `active`: used lately. `unused`: new, and not used yet. `stale`: not used for a quarter, so that it is likely that
 * nobody would miss it. A revoked key has no state: it has left the list.
 */
export type KeyState = "active" | "unused" | "stale";

export function stateOfKey(
  { created_at, last_used_at }: Pick<ListedKey, "created_at" | "last_used_at">,
  now_ms: number,
): KeyState {
  if (now_ms - Date.parse(last_used_at ?? created_at) > STALE_AFTER_MS) return "stale";
  return last_used_at === null ? "unused" : "active";
}
