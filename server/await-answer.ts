import type { Clock } from "./clock.ts";

const SOONEST_MS = 20;
const LATEST_MS = 250;

/** Waits for what a job writes down for a request, asking less and less often; undefined when it has not come in time. */
export async function awaitAnswer<Answer>(
  clock: Clock,
  within_ms: number,
  find: () => Promise<Answer | undefined>,
): Promise<Answer | undefined> {
  const deadline = clock.monotonic_ms() + within_ms;
  for (let pause = SOONEST_MS; ; pause = Math.min(LATEST_MS, pause * 1.5)) {
    await clock.sleep(pause);
    const found = await find();
    if (found !== undefined || clock.monotonic_ms() > deadline) return found;
  }
}
