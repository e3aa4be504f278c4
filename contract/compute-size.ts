import Type from "typebox";

/** The sizes of computes that Neon has, in its compute units (CU): of each one processor and 4 GB of memory. */
export const COMPUTE_SIZES: readonly number[] = [
  ...[0.25, 0.5],
  ...Array.from({ length: 16 }, (_, n) => n + 1),
  ...Array.from({ length: 20 }, (_, n) => 18 + 2 * n),
];

export const ComputeSize = Type.Unsafe<number>({ type: "number", enum: COMPUTE_SIZES });

/** The size of a compute, as Neon's API takes it. */
export const AutoscalingLimits = {
  autoscaling_limit_min_cu: Type.Optional(
    Type.Unsafe<number>({
      ...ComputeSize,
      description:
        "At most `autoscaling_limit_max_cu`, and no more than 8 below it. Computes do not shrink to it here.",
    }),
  ),
  autoscaling_limit_max_cu: Type.Optional(
    Type.Unsafe<number>({
      ...ComputeSize,
      description:
        "The size that the compute has, in units of one processor and 4 GB, as far as its machine has them. Memory is taken " +
        "when it is used. Another size restarts the compute.",
    }),
  ),
};
