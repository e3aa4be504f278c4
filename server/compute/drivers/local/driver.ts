import type { Clock } from "../../../clock.ts";
import type { Account } from "../../../postgres/account.ts";
import type { Binaries } from "../../../postgres/binaries.ts";
import { ensureCertificate } from "../../../postgres/certificate.ts";
import { lockDirectory } from "../../../postgres/directory-lock.ts";
import { type EventLog, silent } from "../../../postgres/events.ts";
import { discard, makePassage, prepareDataDir, removeLeftovers } from "../../../postgres/files.ts";
import type { PgBouncer } from "../../../postgres/pgbouncer.ts";
import type { Drivers } from "../../driver.ts";
import { Turns } from "../turns.ts";
import { findCopyMethod, freeBytes as freeBytesOfDisk } from "./clone.ts";
import { LocalCompute } from "./compute.ts";
import { openExtensions } from "./extensions.ts";
import { layoutOf } from "./layout.ts";
import { RightOfWay } from "./right-of-way.ts";
import { LocalStorage } from "./storage.ts";
import { Template } from "./template.ts";

export interface LocalDriverOptions {
  /** Absolute. The driver keeps to its folder `local/`. */
  readonly dataDir: string;
  readonly binaries: Binaries;
  readonly account: Account;
  readonly clock: Pick<Clock, "now_ms">;
  readonly log?: EventLog;
  /** Asked before each start of a compute; false refuses it with `fenced`. Absent: this process is alone. */
  readonly mayStart?: () => Promise<boolean>;
  /** Absent: there are no poolers. */
  readonly pgbouncer?: PgBouncer | undefined;
  /** Copies of the template kept ready for new branches, 40 MB each; 2 when absent, 0 keeps none. */
  readonly spares?: number;
  /** For tests: absent, the file system is asked. */
  readonly freeBytes?: (directory: string) => Promise<number>;
}

const SPARES = 2;

/**
 * Opens the local driver: data directories on this machine's disk and computes that are its processes.
 * Takes about a second the first time, for the template. Computes that a killed server left running are
 * listed at once and adopted by `ensureRunning`. Throws `PostgresError` with `in_use` while another server
 * has the data directory open, and `unreachable_directory`.
 */
export async function openLocalDriver(options: LocalDriverOptions): Promise<Drivers> {
  const {
    dataDir,
    binaries,
    account,
    clock,
    log = silent,
    pgbouncer,
    spares = SPARES,
    mayStart = async () => true,
    freeBytes = freeBytesOfDisk,
  } = options;
  const layout = layoutOf(dataDir);
  await prepareDataDir(dataDir, account);
  await makePassage(layout.root, account);
  const unlock = await lockDirectory(layout.lock);
  try {
    await discard(layout.work);
    await removeLeftovers(layout.work, "discarded");
    for (const directory of [layout.work, layout.templates, layout.spares, layout.branches, layout.computes]) {
      await makePassage(directory, account);
    }
    const [turns, right_of_way] = [new Turns(), new RightOfWay()];
    const [tls, extensions, template] = await Promise.all([
      ensureCertificate(layout.tls, account, clock),
      openExtensions(layout.extensions, binaries, account),
      Template.open({ layout, binaries, account, log, spares }),
    ]);
    const release = async () => {
      await template.close();
      await unlock();
    };
    const method = await findCopyMethod(layout.work);
    const shares_blocks = method === "reflink";
    const machine = { layout, binaries, account, tls, extensions, pgbouncer, shares_blocks };
    const compute = new LocalCompute({ ...machine, turns, right_of_way, log, mayStart, release });
    await compute.endLeftPoolers();
    const adminOf = (branch_id: string) => compute.adminOf(branch_id);
    const parts = { layout, binaries, account, clock, method, turns, right_of_way, adminOf, freeBytes };
    return { storage: new LocalStorage({ ...parts, template, pg_version: binaries.major }), compute };
  } catch (error) {
    await unlock();
    throw error;
  }
}
