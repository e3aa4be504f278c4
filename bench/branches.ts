import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { systemClock } from "../server/clock.ts";
import { openLocalDriver } from "../server/compute/drivers/local/driver.ts";
import { makeVolume, missingForVolume, unsharedBytes } from "../server/compute/drivers/local/test-volume.ts";
import { scramVerifier } from "../server/postgres/scram.ts";
import { freePort, makePlace, newPassword } from "../server/postgres/testing.ts";

/**
 * What a branch costs while its parent is written to: `node bench/branches.ts [FILE-SYSTEM,… [MB,…]]`, as root, with `pgbench` and
 * `pg_amcheck` of the system. `here` is the file system of the temporary directory; `xfs` and `btrfs` are made for it on loop
 * devices. `own_mb` is what a branch shares with no other file as soon as it is made, `volume_grown_mb` how much fuller the
 * volume is by then, what its parent wrote meanwhile included. Each branch is asked its first query, and the last one of
 * each size is looked through: it fails where rows are lost, a transaction is torn, or anything is damaged.
 */
const [KINDS = "here,xfs,btrfs", SIZES = "30,300,1000"] = process.argv.slice(2);
const BRANCHES = 3;
const MB = 1024 * 1024;
/** Of pgbench's tables, indexes included. */
const MB_OF_A_SCALE = 15;
const ROWS_OF_A_SCALE = 100_000;
const VOLUME_MB = 12 * 1024;

const run = promisify(execFile);
const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? 0;
const told = (values: readonly number[]) => ({
  median: Math.round(quantile(values, 0.5)),
  max: Math.round(Math.max(...values)),
});

if (spawnSync("pgbench", ["--version"]).error) throw new Error("pgbench is not installed");
// Not on the path where a distribution keeps versions beside one another.
const AMCHECK = globSync("/usr/lib/postgresql/*/bin/pg_amcheck").at(-1) ?? "pg_amcheck";
if (spawnSync(AMCHECK, ["--version"]).error) throw new Error("pg_amcheck is not installed");

type Kind = "here" | "xfs" | "btrfs";

async function openVolume(kind: Kind) {
  if (kind !== "here") {
    const missing = missingForVolume(kind);
    if (missing !== undefined) throw new Error(missing);
    return await makeVolume(kind, VOLUME_MB * MB);
  }
  const directory = await mkdtemp(join(tmpdir(), "latchkey-bench-"));
  spawnSync("chmod", ["755", directory]);
  return { directory, usedBytes: undefined, remove: () => rm(directory, { recursive: true }) };
}

async function measure(kind: Kind, sizes: readonly number[]) {
  const ends: (() => unknown)[] = [];
  const volume = await openVolume(kind);
  try {
    const place = await makePlace({ after: (work) => ends.push(work as () => unknown) }, volume.directory);
    const { storage, compute } = await openLocalDriver({ ...place, clock: systemClock, spares: 0 });
    place.closing.push(() => compute.shutdown());
    const [pg_version = 0] = storage.capabilities().pg_versions;
    const password = newPassword();
    const roles = [{ name: "owner", verifier: await scramVerifier(password), login: true }];
    const start = async (id: string) =>
      await compute.ensureRunning(`ep-${id}`, {
        ...{ branch_id: `br-${id}`, port: await freePort(), max_connections: 20, admin_password: password },
      });
    const environment = ({ socket_directory, port }: { socket_directory: string; port: number }, user = "owner") => ({
      ...{ PATH: process.env.PATH, PGHOST: socket_directory, PGPORT: String(port), PGUSER: user },
      ...{ PGPASSWORD: password, PGDATABASE: "bank" },
    });

    async function check(id: string, scale: number): Promise<void> {
      const address = await start(id);
      const [sums] = await compute.query(`ep-${id}`, {
        database: "bank",
        text: `select (select count(*)::int from public.pgbench_accounts) as rows, (select sum(abalance)::int from public.pgbench_accounts) as a,
          (select sum(bbalance)::int from public.pgbench_branches) as b, (select sum(tbalance)::int from public.pgbench_tellers) as t,
          (select coalesce(sum(delta), 0)::int from public.pgbench_history) as h`,
      });
      const { rows, a, b, t, h } = sums ?? {};
      assert.deepEqual([rows, a, b, t], [scale * ROWS_OF_A_SCALE, h, h, h], "rows are lost, or a transaction is torn");
      await run(AMCHECK, ["--install-missing", "--heapallindexed", "--jobs=2", "bank"], {
        env: environment(address, "latchkey_admin"),
      });
      const text = "select coalesce(sum(checksum_failures), 0)::int as failures from pg_stat_database";
      assert.deepEqual(await compute.query(`ep-${id}`, { text }), [{ failures: 0 }]);
    }

    async function bySize(size_mb: number) {
      const parent = `parent${size_mb}`;
      const scale = Math.max(1, Math.round(size_mb / MB_OF_A_SCALE));
      await storage.createRoot(`br-${parent}`, { pg_version });
      const address = await start(parent);
      await compute.apply(`ep-${parent}`, { roles, databases: [{ name: "bank", owner: "owner" }] });
      const env = environment(address);
      await run("pgbench", ["-i", "-q", "-s", String(scale)], { env });
      await compute.query(`ep-${parent}`, { text: "checkpoint" });
      const { logical_bytes } = await storage.stat(`br-${parent}`);
      const writer = spawn("pgbench", ["-n", "-c", "2", "-T", "600"], { env, stdio: "ignore" });
      const logOf = async (id: string) => {
        const text = "select (pg_current_wal_insert_lsn() - '0/0')::text as bytes";
        return Number((await compute.query(`ep-${id}`, { text }))[0]?.bytes);
      };
      const [took_ms, first_query_ms, grown_mb]: [number[], number[], number[]] = [[], [], []];
      const [own_mb, own_started_mb, parent_log_mb]: [number[], number[], number[]] = [[], [], []];
      let method = "";
      try {
        // Once unmeasured: what the parent has in memory is written by whoever asks for the first checkpoint.
        await storage.branch(`br-${parent}-warm`, `br-${parent}`);
        await storage.remove(`br-${parent}-warm`);
        for (let i = 0; i < BRANCHES; i++) {
          const id = `${parent}-${i}`;
          const used = await volume.usedBytes?.();
          const log_was = await logOf(parent);
          const began = performance.now();
          const origin = await storage.branch(`br-${id}`, `br-${parent}`);
          took_ms.push(performance.now() - began);
          const folder = join(place.dataDir, "local/branches", `br-${id}`);
          own_mb.push((await unsharedBytes(folder)) / MB);
          const now_used = await volume.usedBytes?.();
          parent_log_mb.push(((await logOf(parent)) - log_was) / MB);
          const waited = performance.now();
          await start(id);
          await compute.query(`ep-${id}`, { text: "select 1" });
          first_query_ms.push((took_ms.at(-1) ?? 0) + performance.now() - waited);
          own_started_mb.push((await unsharedBytes(folder)) / MB);
          grown_mb.push(
            used === undefined || now_used === undefined ? origin.copied_bytes / MB : (now_used - used) / MB,
          );
          method = origin.method;
          await compute.suspend(`ep-${id}`, "fast");
        }
      } finally {
        const ended = once(writer, "exit");
        writer.kill("SIGKILL");
        await ended;
      }
      await check(`${parent}-${BRANCHES - 1}`, scale);
      for (let i = 0; i < BRANCHES; i++) {
        await compute.remove(`ep-${parent}-${i}`);
        await storage.remove(`br-${parent}-${i}`);
      }
      await compute.suspend(`ep-${parent}`, "immediate");
      return {
        ...{ parent_mb: Math.round(logical_bytes / MB), method, branches: BRANCHES },
        ...{ branch_ms: told(took_ms), until_first_query_ms: told(first_query_ms) },
        ...{ own_mb: told(own_mb), own_with_first_query_mb: told(own_started_mb) },
        ...{ volume_grown_mb: told(grown_mb), parent_log_mb: told(parent_log_mb) },
        checked: "rows, sums, pg_amcheck, checksums",
      };
    }

    const figures = [];
    for (const size_mb of sizes) figures.push(await bySize(size_mb));
    return figures;
  } finally {
    for (const end of ends) await end();
    if (existsSync(volume.directory)) await volume.remove();
  }
}

const figures: Record<string, unknown> = {};
for (const kind of KINDS.split(",") as Kind[]) figures[kind] = await measure(kind, SIZES.split(",").map(Number));
process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
