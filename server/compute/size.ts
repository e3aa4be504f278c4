import { COMPUTE_SIZES } from "@latchkey/contract/compute-size.ts";

/** What a compute's size means, in Neon's compute units (CU). */

export const SMALLEST_CU = 0.25;

/** What a machine has for its computes. Sizes are of each compute: all of them together may have more. */
export interface Capacity {
  readonly cpus: number;
  readonly memory_bytes: number;
}

const MEMORY_OF_CU = 4e9;

/** Decimal, as machines are sold: one with "4 GB" has a little less than 4 GiB, and room for 1 CU. */
export function memoryOf(size_cu: number): number {
  return size_cu * MEMORY_OF_CU;
}

/** The smallest fits everywhere: it takes what it finds. */
export function fits(size_cu: number, { cpus, memory_bytes }: Capacity): boolean {
  return size_cu === SMALLEST_CU || (size_cu <= cpus && memoryOf(size_cu) <= memory_bytes);
}

export function sizesWithin(capacity: Capacity): number[] {
  return COMPUTE_SIZES.filter((size_cu) => fits(size_cu, capacity));
}

/** Neon's formula. */
export function maxConnectionsOf(size_cu: number): number {
  return Math.max(100, Math.min(4000, Math.floor(size_cu * 419.66)));
}

/** Of those, for the control plane, which can always get in; as many as at Neon. */
export const RESERVED_CONNECTIONS = 7;
