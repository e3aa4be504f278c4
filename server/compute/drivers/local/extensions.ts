import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Account } from "../../../postgres/account.ts";
import type { Binaries } from "../../../postgres/binaries.ts";
import { runCommand } from "../../../postgres/command.ts";
import { makePassage } from "../../../postgres/files.ts";
import type { Settings } from "../../../postgres/settings.ts";

/**
 * Extensions that PostgreSQL lets superusers alone create, and Neon the owner of every database. None of them reaches
 * beyond its compute: no file, no program, no connection (`docs/decisions/0068-extensions.md` says why not the others).
 */
export const OPENED_EXTENSIONS = [
  ...["autoinc", "bloom", "insert_username", "moddatetime", "pg_prewarm", "pg_stat_statements", "pgrowlocks"],
  ...["pgstattuple", "refint"],
] as const;

/** The first version that looks for extensions elsewhere than in its own directory. */
const FIRST_MAJOR = 18;

/** Counts statements from the first start on, as at Neon, so that it has something to tell when somebody creates it. */
const STATEMENTS: Settings = {
  shared_preload_libraries: "pg_stat_statements",
  // Reserved at the start, half a kilobyte each; PostgreSQL's own default is 5,000.
  "pg_stat_statements.max": 1000,
  // Statements are kept as they were written where they have no parameters to leave out, such as a role's password.
  "pg_stat_statements.track_utility": false,
};

/**
 * Writes descriptions of those extensions that say that they may be created without a superuser, into a directory that
 * PostgreSQL reads and cannot change, and returns the settings of a compute that make it look there. They refer to
 * PostgreSQL's own scripts, so nothing is copied that a newer version would bring anew. Returns no settings, and they are
 * a superuser's as before, where PostgreSQL is older than 18.
 */
export async function openExtensions(directory: string, binaries: Binaries, account: Account): Promise<Settings> {
  // A colon ends the name of a directory in PostgreSQL's list of them.
  if (binaries.major < FIRST_MAJOR || directory.includes(":")) return {};
  const scripts = join(await findShare(binaries, account), "extension");
  await rm(directory, { recursive: true, force: true });
  await makePassage(directory, account);
  const descriptions = join(directory, "extension");
  await mkdir(descriptions);
  const opened: string[] = [];
  for (const name of OPENED_EXTENSIONS) {
    const own = await readFile(join(scripts, `${name}.control`), "utf8").catch(() => undefined);
    // Not every distribution has all of them.
    if (own === undefined) continue;
    const path = join(descriptions, `${name}.control`);
    await writeFile(path, `${own}\ndirectory = '${scripts.replaceAll("'", "''")}'\ntrusted = true\n`);
    await chmod(path, 0o644);
    opened.push(name);
  }
  // It is listed by `pg_available_extensions`.
  await chmod(descriptions, 0o755);
  const counting = opened.includes("pg_stat_statements") ? STATEMENTS : {};
  return { extension_control_path: `${directory}:$system`, ...counting };
}

async function findShare({ initdb }: Binaries, account: Account): Promise<string> {
  // It prints what it would use to its standard error, and makes nothing.
  const told = await runCommand("/bin/sh", ["-c", 'exec "$1" --show -D /nowhere 2>&1', "sh", initdb], { account });
  const share = /^share_path=(.+)$/m.exec(told)?.[1];
  if (share === undefined) throw new Error(`${initdb} --show does not say where its files are`);
  return share;
}
