import { type Kysely, type Migration, Migrator } from "kysely";
import * as foundation from "./migrations/0001-foundation.ts";
import * as revocation from "./migrations/0002-revocation.ts";
import * as oauth from "./migrations/0003-oauth.ts";
import * as branches from "./migrations/0004-branches.ts";
import * as gateway from "./migrations/0005-gateway.ts";
import * as gateways from "./migrations/0006-gateways.ts";
import * as schemasAndMeters from "./migrations/0007-schemas-and-meters.ts";
import * as password_resets from "./migrations/0008-password-resets.ts";
import * as suspend_reasons from "./migrations/0009-suspend-reasons.ts";
import * as transfer from "./migrations/0010-transfer.ts";
import * as placement from "./migrations/0011-placement.ts";
import * as key_uses from "./migrations/0013-key-uses.ts";
import * as copy_progress from "./migrations/0014-copy-progress.ts";
import * as branch_quota from "./migrations/0015-branch-quota.ts";
import * as made_with_sql from "./migrations/0016-made-with-sql.ts";
import * as compute_sizes from "./migrations/0017-compute-sizes.ts";
import * as compute_failures from "./migrations/0019-compute-failures.ts";
import * as logs_and_cancelling from "./migrations/0020-logs-and-cancelling.ts";
import * as applied_sizes from "./migrations/0021-applied-sizes.ts";
import * as protected_branches from "./migrations/0022-protected-branches.ts";
import * as branch_annotations from "./migrations/0023-branch-annotations.ts";
import * as mailed_resets from "./migrations/0024-mailed-resets.ts";
import type { Schema } from "./schema.ts";

/** Every migration, in order. Forward only: a released one is never edited, a new one is added below. */
const MIGRATIONS: Record<string, Migration> = {
  "0001-foundation": foundation,
  "0002-revocation": revocation,
  "0003-oauth": oauth,
  "0004-branches": branches,
  "0005-gateway": gateway,
  "0006-gateways": gateways,
  "0007-schemas-and-meters": schemasAndMeters,
  "0008-password-resets": password_resets,
  "0009-suspend-reasons": suspend_reasons,
  "0010-transfer": transfer,
  "0011-placement": placement,
  "0013-key-uses": key_uses,
  "0014-copy-progress": copy_progress,
  "0015-branch-quota": branch_quota,
  "0016-made-with-sql": made_with_sql,
  "0017-compute-sizes": compute_sizes,
  "0019-compute-failures": compute_failures,
  "0020-logs-and-cancelling": logs_and_cancelling,
  "0021-applied-sizes": applied_sizes,
  "0022-protected-branches": protected_branches,
  "0023-branch-annotations": branch_annotations,
  "0024-mailed-resets": mailed_resets,
};

/**
 * Brings the database to this release's schema. Several servers may start at once: the migrator holds an
 * advisory lock and works in one transaction, so each migration happens whole and once. Throws, and changes nothing, where
 * a newer release has been.
 */
export async function migrate(db: Kysely<Schema>): Promise<void> {
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => MIGRATIONS },
    migrationTableName: "schema_migrations",
    migrationLockTableName: "schema_migrations_lock",
  });
  const { error } = await migrator.migrateToLatest();
  const [, unknown] =
    /previously executed migration (\S+) is missing/.exec(error instanceof Error ? error.message : "") ?? [];
  if (unknown !== undefined) {
    throw new Error(
      `the database is that of a newer Latchkey (it has ${unknown}); start that one, or restore a backup from before it`,
    );
  }
  if (error) throw new Error("the database could not be migrated; nothing was changed", { cause: error });
}
