import { availableParallelism, totalmem } from "node:os";
import type { Capacity } from "../../size.ts";

/** What this process may use of the machine: in a container less than there is. */
export function readCapacity(): Capacity {
  // Zero where nothing is known, and more than there can be where nothing is limited.
  const limit = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return { cpus: availableParallelism(), memory_bytes: Math.min(totalmem(), limit) };
}
