import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import type { Account } from "./account.ts";
import { CHILD_ENV, runCommand } from "./command.ts";
import { PostgresError } from "./errors.ts";

/** PgBouncer as the system has it, which pools sessions by transactions. */
export interface PgBouncer {
  readonly program: string;
  /** As it tells it, such as `1.24.1`. */
  readonly version: string;
}

/**
 * 1.21 is the first that knows statements prepared by name in transactions of different sessions. Drivers prepare so
 * without being asked (JDBC, pgx, postgres.js), and with an earlier one they fail now and then.
 */
const OLDEST: readonly [number, number] = [1, 21];

/**
 * The PgBouncer that is named, or the one in the system's usual places; undefined where there is none there. Throws
 * `no_pooler` for one that is named and cannot be run by the account, and for any that is too old.
 */
export async function findPgBouncer(named: string | undefined, account: Account): Promise<PgBouncer | undefined> {
  const program = named ?? (await findInSystem());
  if (program === undefined) return undefined;
  const told = await runCommand(program, ["--version"], { account }).catch((error: Error) => {
    throw new PostgresError("no_pooler", `${program} cannot be run as ${account.name}: ${error.message}`);
  });
  const [, version = "", major, minor] = /PgBouncer ((\d+)\.(\d+)\S*)/.exec(told) ?? [];
  const [least_major, least_minor] = OLDEST;
  if (Number(major) > least_major || (Number(major) === least_major && Number(minor) >= least_minor)) {
    return { program, version };
  }
  const wanted = `PgBouncer ${OLDEST.join(".")} or later is needed`;
  throw new PostgresError("no_pooler", `${wanted}; ${program} is ${version || "something else"}`);
}

async function findInSystem(): Promise<string | undefined> {
  for (const folder of (CHILD_ENV.PATH ?? "").split(":")) {
    const program = join(folder, "pgbouncer");
    const found = await access(program, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return program;
  }
  return undefined;
}
