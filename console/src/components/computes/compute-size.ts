import type { Endpoint } from "@latchkey/contract/endpoints.ts";

/** The size of a compute, and as the value of its field: the least and the most, `0.5-2`. */
type Limits = Pick<Endpoint, "autoscaling_limit_min_cu" | "autoscaling_limit_max_cu">;

const GB_OF_CU = 4;

/** "1 CU, 4 GB of memory". What a compute has is the most that it may have. */
export function describeSize({ autoscaling_limit_max_cu: size }: Limits): string {
  return `${size} CU, ${size * GB_OF_CU} GB of memory`;
}

export function writeSize({ autoscaling_limit_min_cu: min, autoscaling_limit_max_cu: max }: Limits): string {
  return `${min}-${max}`;
}

export function readSize(value: string): Limits {
  const [min = 0, max = min] = value.split("-").map(Number);
  return { autoscaling_limit_min_cu: min, autoscaling_limit_max_cu: max };
}

/** The field that a refusal of the API is about: it is of the size or of PostgreSQL's settings. */
export function fieldOf(message: string): "size" | "settings" {
  return /\bCU\b|autoscaling_limit/.test(message) ? "size" : "settings";
}

/** What can be chosen of the sizes that there is room for, what is chosen now included. */
export function sizeOptions(
  sizes: readonly number[],
  now: string,
): readonly { readonly value: string; readonly label: string }[] {
  const offered = sizes.map((size) => `${size}-${size}`);
  return (offered.includes(now) ? offered : [now, ...offered]).map((value) => ({
    value,
    label: describeSize(readSize(value)),
  }));
}
