import pg from "pg";
import { attachEmbedded } from "../../server/postgres/embedded.ts";

/**
 * The metadata database of a running server, looked at from the side, as the owner of its tables. It is no
 * superuser: the embedded database has none that can log in.
 */
export async function connectToMetadata(data_dir: string): Promise<pg.Client> {
  const connection = await attachEmbedded(data_dir);
  if (!connection) throw new Error(`no database runs in ${data_dir}`);
  const client = new pg.Client(connection);
  // The server may stop its database before we hang up; that is no failure of ours.
  client.on("error", () => {});
  await client.connect();
  return client;
}

export async function tablesOf(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
     where schemaname not in ('pg_catalog', 'information_schema') order by 1`,
  );
  return rows.map(({ name }) => name);
}

/**
 * A digest of every row of every table, but for the named columns and tables; equal before and after means that nothing
 * changed.
 */
export async function fingerprint(
  client: pg.Client,
  ignored: { readonly columns?: readonly string[]; readonly tables?: readonly string[] } = {},
): Promise<Map<string, string>> {
  const prints = new Map<string, string>();
  for (const table of await tablesOf(client)) {
    if (ignored.tables?.includes(table)) continue;
    const { rows } = await client.query<{ print: string }>(
      `select count(*) || ':' || coalesce(md5(string_agg(row, '|' order by row)), '') as print
       from (select (to_jsonb(t) - $1::text[])::text as row from ${table} t) rows`,
      [ignored.columns ?? []],
    );
    prints.set(table, rows[0]?.print ?? "");
  }
  return prints;
}
