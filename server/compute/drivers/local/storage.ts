import { randomBytes } from "node:crypto";
import { lstatSync } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import { join, sep } from "node:path";
import { setImmediate } from "node:timers/promises";
import { findPostmaster, readVersion } from "../../../postgres/data-directory.ts";
import { exists, syncDirectory } from "../../../postgres/files.ts";
import {
  type BranchOptions,
  type BranchOrigin,
  DriverError,
  type StorageCapabilities,
  type StorageDriver,
  type StorageStat,
} from "../../driver.ts";
import { type CloneParts, cloneBranch, readOrigin } from "./clone.ts";
import { dataOf, folderOf } from "./layout.ts";
import type { Template } from "./template.ts";

/** The turns are shared with the compute side: a branch is not removed while a compute starts on it. */
export interface LocalStorageOptions extends CloneParts {
  readonly template: Template;
  readonly pg_version: number;
}

const BLOCK_BYTES = 512;
/** So that nobody waits for more than a millisecond. */
const FILES_AT_ONCE = 100;

/** Branches as folders with a data directory each. */
export class LocalStorage implements StorageDriver {
  readonly #options: LocalStorageOptions;

  constructor(options: LocalStorageOptions) {
    this.#options = options;
  }

  capabilities(): StorageCapabilities {
    return {
      driver: "local",
      pg_versions: [this.#options.pg_version],
      branching: this.#options.method === "reflink" ? "shared" : "copied",
      point_in_time: false,
    };
  }

  async createRoot(branch_id: string, { pg_version }: { readonly pg_version: number }): Promise<void> {
    const { layout, template, turns } = this.#options;
    const folder = folderOf(layout.branches, branch_id);
    if (pg_version !== this.#options.pg_version) {
      throw new DriverError("version_unavailable", `PostgreSQL ${pg_version} is not installed here`);
    }
    await turns.take(`branch ${branch_id}`, async () => {
      const present = await readVersion(dataOf(folder));
      if (present === pg_version) return;
      if (present !== undefined) {
        throw new DriverError("version_unavailable", `the branch exists with PostgreSQL ${present}`);
      }
      await template.instantiate(folder);
    });
  }

  async branch(branch_id: string, from_branch_id: string, options: BranchOptions = {}): Promise<BranchOrigin> {
    const { layout, turns } = this.#options;
    const [folder, source] = [folderOf(layout.branches, branch_id), folderOf(layout.branches, from_branch_id)];
    return await turns.take(`branch ${branch_id}`, async () => {
      const present = await readOrigin(folder);
      if (present !== undefined) return present;
      if (!(await exists(dataOf(source)))) throw new DriverError("branch_missing", "there is no branch to clone");
      return await cloneBranch({ ...this.#options, ...options }, { branch_id: from_branch_id, folder: source }, folder);
    });
  }

  async stat(branch_id: string): Promise<StorageStat> {
    const data = dataOf(folderOf(this.#options.layout.branches, branch_id));
    const pg_version = await readVersion(data);
    if (pg_version === undefined) throw new DriverError("branch_missing", "there is no such branch");
    const wal = join(data, "pg_wal") + sep;
    let logical_bytes = 0;
    let physical_bytes = 0;
    const entries = await readdir(data, { recursive: true, withFileTypes: true });
    for (const [i, entry] of entries.entries()) {
      // Asked for one by one in the background, the thousand files of an empty branch took 100 ms of processor time.
      if (i % FILES_AT_ONCE === 0) await setImmediate();
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      // Files come and go under a running server.
      const found = lstatSync(path, { throwIfNoEntry: false });
      if (found === undefined) continue;
      physical_bytes += found.blocks * BLOCK_BYTES;
      if (!path.startsWith(wal)) logical_bytes += found.size;
    }
    return { pg_version, logical_bytes, physical_bytes };
  }

  list(): Promise<string[]> {
    return readdir(this.#options.layout.branches);
  }

  async remove(branch_id: string): Promise<void> {
    const { layout, turns } = this.#options;
    const folder = folderOf(layout.branches, branch_id);
    await turns.take(`branch ${branch_id}`, async () => {
      if (!(await exists(folder))) return;
      if (findPostmaster(dataOf(folder)) !== undefined) {
        throw new DriverError("branch_in_use", "a compute runs on the branch");
      }
      // Gone in one step: a folder half deleted would still be listed, and could be started.
      const doomed = join(layout.work, `removed-${randomBytes(6).toString("hex")}`);
      await rename(folder, doomed);
      await syncDirectory(layout.branches);
      await rm(doomed, { recursive: true });
    });
  }
}
