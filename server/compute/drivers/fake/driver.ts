import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../../clock.ts";
import { lockDirectory } from "../../../postgres/directory-lock.ts";
import { inspectProcess } from "../../../postgres/process.ts";
import type { Drivers } from "../../driver.ts";
import { Turns } from "../turns.ts";
import { FakeComputes } from "./compute.ts";
import { type FakeBranch, type FakeCompute, Shelf } from "./state.ts";
import { FakeStorage } from "./storage.ts";
import { Switches } from "./switches.ts";

/**
 * The fake driver: keeps the contract of drivers, and the state of what it is told in files, without PostgreSQL; for
 * tests of the control plane alone. Nothing that runs may import it, which `test/architecture.test.ts` holds: no setting
 * chooses it, and no server can be started on it.
 */
export interface FakeDriverOptions {
  /** Absolute. The driver keeps to its folder `fake/`. */
  readonly dataDir: string;
  readonly clock: Pick<Clock, "now_ms">;
  readonly mayStart?: () => Promise<boolean>;
}

export interface FakeDrivers extends Drivers {
  readonly compute: FakeComputes;
  /** What goes wrong, from now on. */
  readonly switches: Switches;
}

/** Throws `PostgresError` with `in_use` while another process has the directory open. */
export async function openFakeDriver(options: FakeDriverOptions): Promise<FakeDrivers> {
  const { dataDir, clock, mayStart = async () => true } = options;
  const root = join(dataDir, "fake");
  const at = (name: string) => join(root, name);
  for (const name of ["branches", "computes"]) await mkdir(at(name), { recursive: true, mode: 0o700 });
  const release = await lockDirectory(at("lock"));
  const self = inspectProcess(process.pid);
  if (self === undefined) throw new Error("this process cannot be looked up");
  const switches = new Switches();
  const parts = {
    branches: new Shelf<FakeBranch>(at("branches")),
    computes: new Shelf<FakeCompute>(at("computes")),
    ...{ switches, turns: new Turns() },
  };
  return {
    storage: new FakeStorage({ ...parts, clock }),
    compute: new FakeComputes({
      ...parts,
      ...{ socket_directory: at("sockets"), self, mayStart, release, clock },
    }),
    switches,
  };
}
