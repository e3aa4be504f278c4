import assert from "node:assert/strict";
import test from "node:test";
import { COMPUTE_SIZES } from "@latchkey/contract/compute-size.ts";
import { clusterConfig } from "./config.ts";

const environment = { major: 18, tls: { certificate: "/c", key: "/k" }, extensions: {}, shares_blocks: false };
const spec = { branch_id: "br-a", port: 5432, max_connections: 104, admin_password: "the admin password" };
const settingsOf = (size_cu?: number, settings: Record<string, string> = {}) =>
  clusterConfig("ep-a", { ...spec, settings, ...(size_cu === undefined ? {} : { size_cu }) }, environment).settings;

test("the smallest compute, of which hundreds may rest on a machine, reserves next to nothing", () => {
  const { shared_buffers, wal_buffers, max_wal_size, max_worker_processes, ...rest } = settingsOf(0.25);
  assert.deepEqual([shared_buffers, wal_buffers], ["16MB", "256kB"]);
  assert.deepEqual([max_wal_size, max_worker_processes], ["256MB", 2]);
  assert.deepEqual([rest.max_parallel_workers, rest.autovacuum_max_workers, rest.huge_pages], [0, 1, "off"]);
  assert.deepEqual(settingsOf(), settingsOf(0.25), "whoever names no size means this one");
});

test("a larger compute has the memory and the processes of its size", () => {
  const some = (size_cu: number) => {
    const settings = settingsOf(size_cu);
    const names = [
      ...["shared_buffers", "effective_cache_size", "maintenance_work_mem", "max_wal_size", "wal_buffers"],
      ...["max_worker_processes", "max_parallel_workers", "max_parallel_workers_per_gather", "autovacuum_max_workers"],
    ];
    return names.map((name) => settings[name]);
  };
  assert.deepEqual(some(0.5), ["512MB", "1536MB", "64MB", "512MB", "2MB", 2, 0, 0, 1]);
  assert.deepEqual(some(1), ["1024MB", "3072MB", "64MB", "1024MB", "4MB", 2, 0, 0, 3]);
  assert.deepEqual(some(4), ["4096MB", "12288MB", "256MB", "4096MB", "16MB", 5, 3, 3, 3]);
  assert.deepEqual(some(16), ["16384MB", "49152MB", "1024MB", "4096MB", "16MB", 17, 15, 4, 3]);
});

test("no size takes memory or processes away that a smaller one has, and what is chosen goes before it", () => {
  const bytes = COMPUTE_SIZES.map((size_cu) => Number.parseInt(String(settingsOf(size_cu).shared_buffers), 10));
  assert.deepEqual(
    bytes,
    bytes.toSorted((a, b) => a - b),
  );
  assert.equal(settingsOf(2, { maintenance_work_mem: "1GB" }).maintenance_work_mem, "1GB");
});
