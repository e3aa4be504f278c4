import { connectToMetadata } from "../harness/metadata.ts";
import type { TestServer } from "../harness/server.ts";

/**
 * Forty days of use, up to the hour before this one, as the meters would have noted them: busy on weekdays, growing a
 * little every hour. No test can wait for it.
 */
export async function noteUsage(
  server: TestServer,
  used: readonly { readonly project_id: string; readonly branch_id: string; readonly share: number }[],
): Promise<void> {
  const client = await connectToMetadata(server.data_dir);
  try {
    for (const { project_id, branch_id, share } of used) {
      await client.query(
        `insert into consumption_hours
           (project_id, branch_id, hour, active_seconds, cpu_seconds, written_bytes, storage_bytes, logical_bytes)
         select $1, $2, hour, busy * 3600, busy * 900, (busy * 40e6)::bigint, size, size * 3 / 4
         from (
           select hour, (60e6 + $3 * 250e3 * row_number() over (order by hour))::bigint as size,
             $3::float8 * case when extract(isodow from hour) < 6 and extract(hour from hour) between 7 and 18
               then 0.5 + 0.4 * sin(extract(epoch from hour) / 40000) else 0.03 end as busy
           from generate_series(date_trunc('hour', now(), 'UTC') - interval '960 hours',
             date_trunc('hour', now(), 'UTC') - interval '1 hour', interval '1 hour') hour
         ) hours
         on conflict do nothing`,
        [project_id, branch_id, share],
      );
    }
  } finally {
    await client.end();
  }
}
