import { spawnSync } from "node:child_process";
import { userInfo } from "node:os";
import { CHILD_ENV } from "./command.ts";
import { PostgresError } from "./errors.ts";

/**
 * The operating system account that runs PostgreSQL. This folder runs PostgreSQL server processes from
 * binaries: where the binaries are, as whom they run, data directories, starting, stopping and adopting.
 * It knows nothing of projects, keys or the API; `compute/` builds on it, and so does the control plane's
 * own database in `embedded.ts`.
 */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** Whether it is the account of this process; otherwise this process is root and switches to it. */
  readonly is_self: boolean;
}

const SYSTEM_ACCOUNT = "latchkey";
const NAMES = process.platform === "darwin" ? ["_postgres", SYSTEM_ACCOUNT] : ["postgres", SYSTEM_ACCOUNT];

/**
 * Finds the account that runs PostgreSQL: this process's own, or, as root, an unprivileged one (PostgreSQL
 * refuses to run as root). As root with neither `postgres` nor `latchkey` on the machine it makes `latchkey`.
 * Throws `no_account` when that fails.
 */
export function findAccount(): Account {
  const uid = process.getuid?.();
  const gid = process.getgid?.();
  if (uid === undefined || gid === undefined) {
    throw new PostgresError("unsupported", `PostgreSQL cannot be run on ${process.platform} yet`);
  }
  if (uid !== 0) return ownAccount();
  for (const name of NAMES) {
    const account = lookUp(name);
    if (account !== undefined) return account;
  }
  const made = spawnSync(
    "useradd",
    [
      "--system",
      "--user-group",
      "--no-create-home",
      "--home-dir",
      "/nonexistent",
      "--shell",
      "/usr/sbin/nologin",
      SYSTEM_ACCOUNT,
    ],
    { encoding: "utf8", env: CHILD_ENV },
  );
  const account = lookUp(SYSTEM_ACCOUNT);
  if (account === undefined) {
    const why = made.error?.message ?? made.stderr.trim();
    throw new PostgresError(
      "no_account",
      `PostgreSQL does not run as root, and there is no account named ${NAMES.join(" or ")}; making ${SYSTEM_ACCOUNT} failed (${why}). ` +
        "Add one (useradd --system latchkey), or start Latchkey as an ordinary user.",
    );
  }
  return account;
}

/** The account of this process, for files that PostgreSQL has no business with. */
export function ownAccount(): Account {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  return { name: ownName(uid), uid, gid, is_self: true };
}

/** Names in directories other than /etc/passwd count too, which is why `id` is asked. */
function lookUp(name: string): Account | undefined {
  const uid = idOf("-u", name);
  const gid = idOf("-g", name);
  if (uid === undefined || gid === undefined || uid === 0) return undefined;
  return { name, uid, gid, is_self: false };
}

function idOf(flag: "-u" | "-g", name: string): number | undefined {
  const { status, stdout } = spawnSync("id", [flag, name], { encoding: "utf8", env: CHILD_ENV });
  return status === 0 && /^\d+\n$/.test(stdout) ? Number(stdout) : undefined;
}

/** An arbitrary uid, as containers give, has no name; nothing but messages needs one. */
function ownName(uid: number): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${uid}`;
  }
}
