import { text } from "./command.ts";
import { CliError } from "./exit.ts";

/** The size of a compute, for the commands that make or change one. */
export const computeSizeOption = {
  cu: text("Size of the compute in processors with 4 GB each, such as 0.25 or 2; of 0.5-2 it has 2", { value: "size" }),
} as const;

/** The fields of a compute that the option sets, if it is given. */
export function computeSizeOf(given: string | undefined): {
  readonly autoscaling_limit_min_cu?: number;
  readonly autoscaling_limit_max_cu?: number;
} {
  if (given === undefined) return {};
  const [, min, max = min] = /^(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?$/.exec(given.trim()) ?? [];
  if (min === undefined) throw new CliError("usage", "--cu takes a size such as 1, or two such as 0.5-2");
  return { autoscaling_limit_min_cu: Number(min), autoscaling_limit_max_cu: Number(max) };
}
