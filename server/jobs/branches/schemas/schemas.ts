import { DriverError } from "../../../compute/driver.ts";
import type { SchemaRefusal } from "../../../db/schema.ts";
import { describeError } from "../../../log.ts";
import type { JobDeps } from "../../deps.ts";
import { lookOn } from "../../look-on.ts";
import type { Job } from "../../runner.ts";
import { atComputeNow, BeingRestored } from "../private-computes.ts";
import { answerReadingForJob, deleteOldReadingsForJob, listReadingsForJob, type Reading } from "./store.ts";

const EVERY_MS = 1_000;
/** Each takes some 100 MB while it lasts. Of one project one at a time, so that none keeps the others' waiting. */
const AT_ONCE = 2;
const LOOK_AGAIN_MS = 100;

/** Answers questions for the schemas of databases (see `branches/schemas/`). */
export function schemasJob(deps: JobDeps): Job {
  return {
    name: "schemas",
    every_ms: EVERY_MS,
    async run(signal) {
      await deleteOldReadingsForJob(deps.db);
      const in_flight = new Map<string, { reading: Reading; work: Promise<void> }>();
      const failures: unknown[] = [];
      const begin = (reading: Reading) => {
        const work = answer(deps, reading)
          .then((found) => answerReadingForJob(deps.db, reading.id, found))
          .catch((error) => void failures.push(error))
          .finally(() => in_flight.delete(reading.id));
        in_flight.set(reading.id, { reading, work });
      };
      const underWay = () => [...in_flight.values()].map(({ work }) => work);
      const look = async (): Promise<boolean> => {
        const busy_with = [...in_flight.values()].map(({ reading }) => reading.project_id);
        const limit = AT_ONCE - busy_with.length;
        (await listReadingsForJob(deps.db, deps.node_id, busy_with, limit)).forEach(begin);
        // Those that ended while we asked may have left others waiting for their place.
        if (in_flight.size === 0) return busy_with.length > 0;
        // Not until all are done: a table that somebody has locked must not hold up the others.
        await Promise.race([...underWay(), deps.clock.sleep(LOOK_AGAIN_MS, signal)]);
        return true;
      };
      await lookOn(deps, { job: "schemas", pause_ms: EVERY_MS, look, underWay, failures }, signal);
    },
  };
}

async function answer(deps: JobDeps, reading: Reading): Promise<{ answer: string } | { refusal: SchemaRefusal }> {
  const { branch_id, database_name, format } = reading;
  if (format === "sql" && !deps.compute.capabilities().schema_dump) return { refusal: "not_offered" };
  try {
    const read = (compute_id: string) => deps.compute.readSchema(compute_id, database_name, format);
    return { answer: await atComputeNow(deps, branch_id, read) };
  } catch (error) {
    if (error instanceof DriverError && error.code === "database_missing") return { refusal: "database_missing" };
    if (error instanceof BeingRestored) return { refusal: "restoring" };
    deps.log.event("branch.schema_unread", { branch_id, error: describeError(error) });
    return { refusal: "unreadable" };
  }
}
