import type { ListedKey } from "../../contract/api-keys.ts";
import { connectToMetadata } from "../harness/metadata.ts";
import type { TestServer } from "../harness/server.ts";

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

/** The same in the database, where making them one by one through the API would take minutes; a third was never used. */
export async function insertManyKeys(server: TestServer, count: number, user_id: string): Promise<void> {
  const client = await connectToMetadata(server.data_dir);
  try {
    await client.query(
      `with made as (
         insert into api_keys (kind, user_id, name, token_digest, hint, created_by, created_at)
         select 'user', $1, (array['ci', 'deploy', 'backup', 'laptop', 'cron'])[1 + (n - 1) % 5] || '-' || lpad(n::text, 5, '0'),
           sha256(gen_random_uuid()::text::bytea), right(md5(n::text), 4), $1, now() - interval '61 seconds' * ($2 - n)
         from generate_series(1, $2::int) n
         returning id
       )
       insert into key_uses (key_id, at, address, user_agent)
       select id, now() - interval '7 seconds' * (id % 1000), '192.0.2.' || id % 250, 'curl/8.5.0' from made where id % 3 > 0`,
      [user_id, count],
    );
  } finally {
    await client.end();
  }
}
