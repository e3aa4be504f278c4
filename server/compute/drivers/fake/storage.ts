import type { Clock } from "../../../clock.ts";
import { type BranchOptions, type BranchOrigin, DriverError, type StorageDriver } from "../../driver.ts";
import { checkId } from "../../names.ts";
import type { Turns } from "../turns.ts";
import { type FakeBranch, type FakeCompute, runs, type Shelf } from "./state.ts";
import type { Switches } from "./switches.ts";

const PG_VERSIONS: readonly number[] = [18, 17];

export interface FakeStorageOptions {
  readonly branches: Shelf<FakeBranch>;
  readonly computes: Shelf<FakeCompute>;
  readonly switches: Switches;
  readonly turns: Turns;
  readonly clock: Pick<Clock, "now_ms">;
}

/** Branches without data. */
export class FakeStorage implements StorageDriver {
  readonly #options: FakeStorageOptions;
  #places = 0;

  constructor(options: FakeStorageOptions) {
    this.#options = options;
  }

  capabilities() {
    return { driver: "fake", pg_versions: PG_VERSIONS, branching: "copied", point_in_time: false } as const;
  }

  async createRoot(branch_id: string, { pg_version }: { readonly pg_version: number }): Promise<void> {
    const { branches, switches, turns } = this.#options;
    checkId(branch_id);
    await switches.meet("createRoot", branch_id);
    await turns.take(`branch ${branch_id}`, async () => {
      const present = await branches.find(branch_id);
      if (!PG_VERSIONS.includes(pg_version) || (present && present.pg_version !== pg_version)) {
        throw new DriverError("version_unavailable", `PostgreSQL ${pg_version} is not to be had`);
      }
      if (!present) await branches.put(branch_id, { pg_version, roles: [], databases: [] });
    });
  }

  async branch(
    branch_id: string,
    from_branch_id: string,
    { onProgress, signal }: BranchOptions = {},
  ): Promise<BranchOrigin> {
    const { branches, switches, turns, clock } = this.#options;
    for (const id of [branch_id, from_branch_id]) checkId(id);
    await switches.meet("branch", branch_id);
    return await turns.take(`branch ${branch_id}`, async () => {
      const present = await branches.find(branch_id);
      if (present?.origin) return present.origin;
      if (signal?.aborted) throw new DriverError("aborted", "the copy was ended");
      const from = await branches.find(from_branch_id);
      if (!from) throw new DriverError("branch_missing", "there is no branch to clone");
      const origin = {
        ...{ from_branch_id, method: "fake", copied_bytes: Buffer.byteLength(JSON.stringify(from)) },
        lsn: `0/${(++this.#places).toString(16).toUpperCase()}`,
        at: new Date(clock.now_ms()).toISOString(),
      };
      await onProgress?.({ copied_bytes: origin.copied_bytes, total_bytes: origin.copied_bytes });
      await branches.put(branch_id, { ...from, origin });
      return origin;
    });
  }

  async stat(branch_id: string) {
    const branch = await this.#options.branches.find(branch_id);
    if (!branch) throw new DriverError("branch_missing", "there is no such branch");
    const bytes = Buffer.byteLength(JSON.stringify(branch));
    return { pg_version: branch.pg_version, logical_bytes: bytes, physical_bytes: bytes };
  }

  list(): Promise<string[]> {
    return this.#options.branches.ids();
  }

  async remove(branch_id: string): Promise<void> {
    const { branches, computes, switches, turns } = this.#options;
    checkId(branch_id);
    await switches.meet("removeBranch", branch_id);
    await turns.take(`branch ${branch_id}`, async () => {
      for (const id of await computes.ids()) {
        const compute = await computes.find(id);
        if (compute?.branch_id === branch_id && runs(compute)) {
          throw new DriverError("branch_in_use", "a compute runs on the branch");
        }
      }
      await branches.remove(branch_id);
    });
  }
}
