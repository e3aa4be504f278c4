import { join } from "node:path";
import type { Cluster, ClusterConfig } from "../../../postgres/cluster.ts";
import { PostgresError } from "../../../postgres/errors.ts";
import type { EventLog } from "../../../postgres/events.ts";
import { measureConfig } from "../../../postgres/measure-config.ts";
import { type ComputeSpec, DriverError } from "../../driver.ts";
import { memoryOf, SMALLEST_CU } from "../../size.ts";

const RESERVING = ["max_locks_per_transaction", "max_prepared_transactions", "track_activity_query_size"];

/** Those of the settings chosen that decide how much shared memory is reserved. */
export function reservedFor({ settings = {} }: ComputeSpec): string[] {
  return Object.keys(settings).filter((name) => RESERVING.includes(name));
}

export interface Foresight {
  readonly endpoint_id: string;
  /** The configuration is tried in a directory here, which goes again. */
  readonly work: string;
  readonly machine: { readonly memory_bytes: number };
  readonly log: EventLog;
}

/** Throws `setting_refused` and `no_memory` where it can be told without trying that no server would start. */
export async function foresee(
  cluster: Cluster,
  config: ClusterConfig,
  spec: ComputeSpec,
  { endpoint_id, work, machine, log }: Foresight,
): Promise<void> {
  let reserved: number;
  try {
    reserved = await measureConfig(cluster, config, join(work, `config-${endpoint_id}`));
  } catch (error) {
    if (error instanceof PostgresError && ["setting_refused", "no_memory"].includes(error.code)) throw error;
    // The start itself will tell.
    log.warn("compute.not_foreseen", { endpoint_id, error: error instanceof Error ? error.message : "unknown" });
    return;
  }
  // A compute may have been made on a larger machine, and what its size takes is not what is refused here.
  const most = Math.max(machine.memory_bytes, memoryOf(spec.size_cu ?? SMALLEST_CU));
  if (reserved <= most) return;
  const [asked, has] = [reserved, most].map((bytes) => (bytes / 1e9).toFixed(1));
  throw new PostgresError("no_memory", `${asked} GB of shared memory would be reserved, of ${has} GB`);
}

/** Without such settings memory that is not given is the machine's affair, and may be given later. */
export function blameSettings(error: unknown, spec: ComputeSpec): unknown {
  if (!(error instanceof PostgresError && error.code === "no_memory")) return error;
  const names = reservedFor(spec);
  if (names.length === 0) return new DriverError("start_failed", error.message, { cause: error });
  const told = `${names.join(", ")}: ${error.message}`;
  return new DriverError("setting_refused", told, { cause: error, told });
}
