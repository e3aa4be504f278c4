import { describeError } from "../log.ts";
import { type ReconcilerDeps, StoppedAtStep } from "./deps.ts";

interface Looking {
  readonly job: string;
  /** After something went wrong. */
  readonly pause_ms: number;
  /** Begins what is due, and waits for a moment; tells whether there was anything to do, or is. */
  look(): Promise<boolean>;
  /** The work that has been begun and has not ended; it never rejects. */
  underWay(): readonly Promise<void>[];
  /** What has gone wrong with it. */
  readonly failures: unknown[];
}

/**
 * Looks for work until there is none, beside the work that is under way. What goes wrong meanwhile is not the end of the
 * run, for that would wait for a copy of hours, and all other work with it.
 */
export async function lookOn({ clock, log }: ReconcilerDeps, looking: Looking, signal: AbortSignal): Promise<void> {
  const { job, pause_ms, failures } = looking;
  try {
    while (!signal.aborted) {
      if (failures.length > 0) {
        if (looking.underWay().length === 0 || failures.some((error) => error instanceof StoppedAtStep)) break;
        for (const error of failures.splice(0)) log.event("job.failed", { job, error: describeError(error) });
        await clock.sleep(pause_ms, signal);
        continue;
      }
      try {
        if (!(await looking.look())) break;
      } catch (error) {
        failures.push(error);
      }
    }
  } finally {
    await Promise.all(looking.underWay());
  }
  if (failures.length > 0) throw failures[0];
}
