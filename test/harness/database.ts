import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { migrate } from "../../server/db/migrate.ts";
import { type Connection, type Db, openDatabase } from "../../server/db/pool.ts";
import { newUuid } from "../../server/ids.ts";
import { createLog, type Log } from "../../server/log.ts";
import { findAccount } from "../../server/postgres/account.ts";
import { locateBinaries } from "../../server/postgres/binaries.ts";
import { startEmbedded } from "../../server/postgres/embedded.ts";
import type { AtEnd } from "./server.ts";

export interface TestDatabase {
  readonly db: Db;
  readonly pool: pg.Pool;
  readonly connection: Connection;
  readonly data_dir: string;
  readonly log: Log;
  close(): Promise<void>;
}

/** A real, migrated database of its own. Given a test's context it closes itself; in a suite, call `close` in `after`. */
export async function openTestDatabase(t?: AtEnd): Promise<TestDatabase> {
  const data_dir = await mkdtemp(join(tmpdir(), "latchkey-db-"));
  const account = findAccount();
  const binaries = await locateBinaries({ dataDir: data_dir, account });
  const embedded = await startEmbedded({ dataDir: data_dir, binaries, account });
  const log = createLog("silent");
  const { db, pool } = openDatabase(embedded.connection, log);
  const close = async () => {
    await db.destroy();
    await embedded.stop();
    await rm(data_dir, { recursive: true, force: true });
  };
  t?.after(close);
  await migrate(db);
  return { db, pool, connection: embedded.connection, data_dir, log, close };
}

/** A person as sign-up leaves one, without a password. */
export async function insertTestUser(db: Db, email = `${newUuid()}@example.com`): Promise<string> {
  const id = newUuid();
  await db
    .insertInto("users")
    .values({ id, name: email.split("@")[0] ?? "", email, email_verified: true, image: null, instance_admin: false })
    .execute();
  return id;
}
