import { randomBytes } from "node:crypto";
import { copyFile, mkdir, open, readdir, readFile, rename, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../../../clock.ts";
import type { Account } from "../../../postgres/account.ts";
import type { Binaries } from "../../../postgres/binaries.ts";
import { runCommand } from "../../../postgres/command.ts";
import { findPostmaster, syncDataDirectory } from "../../../postgres/data-directory.ts";
import { PostgresError } from "../../../postgres/errors.ts";
import {
  discard,
  exists,
  makeOwned,
  makePassage,
  syncDirectory,
  writeOwned,
  writePrivateDurably,
} from "../../../postgres/files.ts";
import { type BranchOptions, type BranchOrigin, DriverError } from "../../driver.ts";
import { COPY_SLOT, MAINTENANCE_DATABASE } from "../../names.ts";
import type { Turns } from "../turns.ts";
import { type AdminAddress, asAdmin } from "./admin.ts";
import { dataOf, firstPasswordOf, type Layout, originOf } from "./layout.ts";
import { GaveWay, type RightOfWay } from "./right-of-way.ts";

/** How the files of a branch become those of another: blocks shared until one side writes, or every byte twice. */
export type CopyMethod = "reflink" | "copy";

export interface CloneParts {
  readonly layout: Layout;
  readonly binaries: Binaries;
  readonly account: Account;
  readonly clock: Pick<Clock, "now_ms">;
  readonly method: CopyMethod;
  readonly turns: Turns;
  readonly right_of_way: RightOfWay;
  /** How many bytes a file system has to give. */
  readonly freeBytes: (directory: string) => Promise<number>;
  /** The superuser's way into the compute that runs on a branch; undefined when none is known to run. */
  readonly adminOf: (branch_id: string) => AdminAddress | undefined;
}

type Cloning = CloneParts & BranchOptions;

interface Source {
  readonly branch_id: string;
  readonly folder: string;
}

const PROGRESS_EVERY_MS = 500;

/**
 * Where recovery begins in files that were copied while they changed (`do_pg_backup_stop` in xlog.c). A first start takes it
 * away; from a running server it is another backup's.
 */
const LABEL = "backup_label";

/** Not copied: a clone has its own, or gets it at its start. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  ...["pg_wal", "postmaster.pid", "postmaster.opts", LABEL, "tablespace_map", "current_logfiles"],
  ...["pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_subtrans", "pg_stat_tmp"],
]);
const EMPTY = [
  ...["pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_subtrans", "pg_stat_tmp"],
  ...["pg_wal", "pg_wal/archive_status", "pg_wal/summaries"],
];

/** Finds out, by trying, how the file system of this directory copies. */
export async function findCopyMethod(directory: string): Promise<CopyMethod> {
  const probe = join(directory, `probe-${randomBytes(6).toString("hex")}`);
  try {
    await writeFile(probe, randomBytes(64 * 1024));
    await runCommand("cp", ["--reflink=always", probe, `${probe}.copy`]);
    return "reflink";
  } catch {
    return "copy";
  } finally {
    await rm(probe, { force: true });
    await rm(`${probe}.copy`, { force: true });
  }
}

export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

/** Left free by every copy: the control plane's own database, and the other computes, write to the same disk. */
const RESERVE_BYTES = 512 * 1024 * 1024;

/** Throws `no_room` before a copy that could not come to its end, and would stop everybody else on the way. */
async function refuseWithoutRoom({ method, layout, freeBytes }: CloneParts, source: string): Promise<void> {
  if (method !== "copy") return;
  const [needed, free] = [await sizeOf(dataOf(source)), await freeBytes(layout.work)];
  if (needed + RESERVE_BYTES <= free) return;
  const has = Math.max(0, free - RESERVE_BYTES);
  throw new DriverError("no_room", `not enough room: needs ${inMegabytes(needed)}, has ${inMegabytes(has)}`);
}

const inMegabytes = (bytes: number) => `${Math.ceil(bytes / 1_000_000).toLocaleString("en")} MB`;

/**
 * Makes `target` a copy of the branch at `source`. A running source is copied by PostgreSQL's low-level backup:
 * a temporary slot keeps the log from its start on, files are copied while they change, and the clone's first
 * start replays what changed meanwhile. A stopped one is copied as it is; where it is started before that is done, the
 * copy begins anew.
 */
export async function cloneBranch(parts: Cloning, from: Source, target: string): Promise<BranchOrigin> {
  try {
    return await cloneTo(target, parts, from, copyWayGiving);
  } catch (error) {
    if (!(error instanceof GaveWay)) throw error;
    // Once: a compute that fails to start over and over must not keep its branch from ever being copied.
    return await cloneTo(target, parts, from, copyInTurn);
  }
}

type CopyStopped = (parts: Cloning, from: Source, folder: string) => Promise<string | undefined>;

async function cloneTo(target: string, parts: Cloning, from: Source, copyAtRest: CopyStopped): Promise<BranchOrigin> {
  const { layout, binaries, account, turns, clock } = parts;
  refuseIfAborted(parts);
  await refuseWithoutRoom(parts, from.folder);
  const folder = join(layout.work, `clone-${randomBytes(6).toString("hex")}`);
  await mkdir(folder, { mode: 0o700 });
  try {
    await makePassage(folder, account);
    await makeOwned(dataOf(folder), account);
    // One at a time from each source: every backup begins with a checkpoint, and slots are few.
    const lsn = await turns.take(`clones of ${from.branch_id}`, async () => {
      refuseIfAborted(parts);
      // Those whose turn was before have taken some of it.
      await refuseWithoutRoom(parts, from.folder);
      return (await copyAtRest(parts, from, folder)) ?? (await copyRunning(parts, from, folder));
    });
    const copied_bytes = parts.method === "reflink" ? 0 : await sizeOf(dataOf(folder));
    const { method } = parts;
    const at = new Date(clock.now_ms()).toISOString();
    const origin: BranchOrigin = { from_branch_id: from.branch_id, method, copied_bytes, lsn, at };
    await writePrivateDurably(originOf(folder), JSON.stringify(origin));
    await syncDataDirectory(dataOf(folder), { binaries, account, ...(parts.signal && { signal: parts.signal }) });
    refuseIfAborted(parts);
    await rename(folder, target);
    await syncDirectory(layout.branches);
    return origin;
  } catch (error) {
    refuseIfAborted(parts, error);
    throw error;
  } finally {
    // What was killed in the middle of a file still finishes that.
    await discard(folder);
  }
}

function refuseIfAborted({ signal }: Cloning, cause?: unknown): void {
  if (signal?.aborted) throw new DriverError("aborted", "the copy was ended", { cause });
}

/** Blocks that are shared take no time to speak of: a start waits for that. */
const copyWayGiving: CopyStopped = (parts, from, folder) => {
  const { method, right_of_way, signal: ended } = parts;
  if (method === "reflink") return copyInTurn(parts, from, folder);
  return right_of_way.yielding(from.branch_id, (claimed) => {
    const signal = ended === undefined ? claimed : AbortSignal.any([ended, claimed]);
    return copyInTurn({ ...parts, signal }, from, folder);
  });
};

const copyInTurn: CopyStopped = (parts, { branch_id, folder: source }, folder) =>
  parts.turns.take(`branch ${branch_id}`, () => copyStopped(parts, source, folder));

/** Copies a source that no server works on, or returns undefined. To be called while none can be started. */
async function copyStopped(parts: Cloning, source: string, folder: string): Promise<string | undefined> {
  const [from, to] = [dataOf(source), dataOf(folder)];
  parts.signal?.throwIfAborted();
  if (findPostmaster(from) !== undefined) return undefined;
  // It has a label as long as it is itself a copy that has never been started.
  const unstarted = await exists(join(from, LABEL));
  const lsn = (unstarted ? (await readOrigin(source))?.lsn : undefined) ?? (await readCheckpoint(from));
  await copyFiles(parts, from, to);
  await makeEmpty(parts, to);
  await copyEntries(parts, join(from, "pg_wal"), await logSegments(from), join(to, "pg_wal"));
  if (unstarted) await copyEntries(parts, from, [LABEL], to);
  await copyFirstPassword(source, folder);
  return lsn;
}

async function copyRunning(parts: Cloning, from: Source, folder: string) {
  const address = parts.adminOf(from.branch_id);
  if (address === undefined) throw new DriverError("not_running", "the compute of the source is not known yet");
  const [source, target] = [dataOf(from.folder), dataOf(folder)];
  const lsn = await asAdmin(address, MAINTENANCE_DATABASE, async (session) => {
    // Temporary: it goes with the session, however that ends. It keeps the log that the clone will need, and tells the
    // gateway that the compute is at work.
    const slot = `${COPY_SLOT}${randomBytes(8).toString("hex")}`;
    await session.query("SELECT pg_create_physical_replication_slot($1, true, true)", [slot]);
    const started = await session.query<{ segment: string }>(
      "SELECT pg_walfile_name(pg_backup_start('latchkey branch', true)) AS segment",
    );
    await copyFiles(parts, source, target);
    await makeEmpty(parts, target);
    const stopped = await session.query<{ lsn: string; label: string; segment: string }>(
      `SELECT lsn::text, labelfile AS label, pg_walfile_name(lsn) AS segment FROM pg_backup_stop(false)`,
    );
    const [first, last] = [started.rows[0], stopped.rows[0]];
    if (first === undefined || last === undefined) throw new Error("the backup functions returned nothing");
    const needed = (await logSegments(source)).filter((name) => name >= first.segment && name <= last.segment);
    await copyEntries(parts, join(source, "pg_wal"), needed, join(target, "pg_wal"));
    await writeOwned(join(target, LABEL), last.label, parts.account);
    return last.lsn;
  });
  await copyFirstPassword(from.folder, folder);
  return lsn;
}

/** Copies all but the log, and tells meanwhile how much of it is there. */
async function copyFiles(parts: Cloning, from: string, to: string): Promise<void> {
  const { method, onProgress } = parts;
  const names = await entriesOf(from);
  if (method === "reflink" || onProgress === undefined) return await copyEntries(parts, from, names, to);
  const total = await sizeOf(from, ["--exclude=pg_wal"]);
  const tell = async () => {
    const copied_bytes = await sizeOf(to);
    await onProgress({ copied_bytes, total_bytes: Math.max(copied_bytes, total) });
  };
  // A copy goes on when nobody can be told of it.
  const tellIfPossible = () => tell().catch(() => {});
  const done = new AbortController();
  const tellOverAndOver = async () => {
    while (!done.signal.aborted) {
      await tellIfPossible();
      await delay(PROGRESS_EVERY_MS, undefined, { signal: done.signal }).catch(() => {});
    }
  };
  const telling = tellOverAndOver();
  try {
    await copyEntries(parts, from, names, to);
  } finally {
    done.abort();
    await telling;
  }
  await tellIfPossible();
}

async function entriesOf(data: string): Promise<string[]> {
  return (await readdir(data)).filter((name) => !LEFT_OUT.has(name));
}

async function logSegments(data: string): Promise<string[]> {
  return (await readdir(join(data, "pg_wal"))).filter((name) => /^[0-9A-F]{24}$/.test(name));
}

async function makeEmpty({ account }: CloneParts, data: string): Promise<void> {
  for (const name of EMPTY) await makeOwned(join(data, name), account);
}

/** A source that has never been started has the template's password still, and so has its clone. */
async function copyFirstPassword(source: string, folder: string): Promise<void> {
  if (await exists(firstPasswordOf(source))) await copyFile(firstPasswordOf(source), firstPasswordOf(folder));
}

/**
 * Copies files and directories with owners, modes and times. What a running server deletes meanwhile is no
 * failure: the log tells of it. Everything else is: a file that was left out would be missed much later.
 */
async function copyEntries(parts: Cloning, from: string, names: readonly string[], to: string): Promise<void> {
  const { method, signal } = parts;
  if (names.length === 0) return;
  const share = method === "reflink" ? ["--reflink=always"] : [];
  try {
    await runCommand("cp", ["-a", ...share, "--", ...names.map((name) => join(from, name)), to], {
      error_lines: Number.POSITIVE_INFINITY,
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if (!(error instanceof PostgresError)) throw error;
    const lines = error.message.replace(/^cp failed: /, "").split("\n");
    // Others have written meanwhile.
    if (lines.some((line) => line.endsWith(": No space left on device"))) {
      throw new DriverError("no_room", "not enough room: the disk is full", { cause: error });
    }
    if (!lines.every((line) => line.endsWith(": No such file or directory"))) throw error;
  }
}

/** Where the last checkpoint of a stopped server is: `ControlFileData.checkPoint` (src/include/catalog/pg_control.h). */
async function readCheckpoint(data: string): Promise<string> {
  const file = await open(join(data, "global/pg_control"), "r");
  try {
    const { buffer } = await file.read(Buffer.alloc(8), 0, 8, 32);
    const little = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
    const lsn = little ? buffer.readBigUInt64LE() : buffer.readBigUInt64BE();
    return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffffffffn).toString(16)}`.toUpperCase();
  } finally {
    await file.close();
  }
}

/** Bytes of disk; what a running server deletes meanwhile is left out, and makes `du` end with an error after its figure. */
async function sizeOf(data: string, args: readonly string[] = []): Promise<number> {
  const text = await runCommand("sh", ["-c", 'du -s -B1 "$@" 2>/dev/null || true', "sh", ...args, data]);
  const bytes = Number.parseInt(text, 10);
  if (Number.isNaN(bytes)) throw new Error(`du does not tell the size of ${data}`);
  return bytes;
}

/** Where a branch comes from; undefined for one that was made empty. */
export async function readOrigin(folder: string): Promise<BranchOrigin | undefined> {
  const text = await readFile(originOf(folder), "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as BranchOrigin);
}
