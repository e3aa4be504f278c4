import type { ListedKey } from "../../contract/api-keys.ts";

/** As many keys as asked for, as the API would list them. */
export function manyKeys(count: number, created_by: { id: string; name: string }): ListedKey[] {
  const now_ms = Date.now();
  return Array.from({ length: count }, (_, index) => ({
    id: count - index,
    name: `${["ci", "deploy", "backup", "laptop", "cron"][index % 5]}-${String(count - index).padStart(5, "0")}`,
    created_at: new Date(now_ms - index * 61_000).toISOString(),
    created_by: { ...created_by, image: "" },
    last_used_at: index % 3 === 0 ? null : new Date(now_ms - index * 7_000).toISOString(),
    last_used_from_addr: index % 3 === 0 ? "" : `192.0.2.${index % 250}`,
    last_used_user_agent: "",
    hint: (index * 7919).toString(36).padStart(4, "0").slice(-4),
  }));
}
