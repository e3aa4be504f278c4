import { text } from "./command.ts";
import { CliError } from "./exit.ts";

/** When a compute that nobody uses is suspended, for the commands that make or change one. */
export const suspendTimeoutOption = {
  "suspend-timeout": text("Suspend the compute after so many seconds unused; 0: 300 seconds, -1: never", {
    value: "seconds",
  }),
} as const;

/** The field of a compute that the option sets, if it is given. */
export function suspendTimeoutOf(given: string | undefined): { readonly suspend_timeout_seconds?: number } {
  if (given === undefined) return {};
  const suspend_timeout_seconds = Number(given);
  if (given.trim() !== "" && Number.isInteger(suspend_timeout_seconds)) return { suspend_timeout_seconds };
  throw new CliError("usage", "--suspend-timeout takes a whole number of seconds");
}
