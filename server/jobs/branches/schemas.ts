import { DriverError } from "../../compute/driver.ts";
import type { SchemaRefusal } from "../../db/schema.ts";
import { describeError } from "../../log.ts";
import { applyContent } from "../computes/apply-content.ts";
import { adminPasswordOf, SOCKET_PORT } from "../computes/start-compute.ts";
import type { JobDeps } from "../deps.ts";
import type { Job } from "../runner.ts";
import {
  answerReadingForJob,
  deleteOldReadingsForJob,
  findReadableBranchForJob,
  listReadingsForJob,
  type ReadableBranch,
  type Reading,
} from "./store.ts";

const EVERY_MS = 1_000;
/** Each takes some 100 MB while it lasts. */
const AT_ONCE = 2;
const LOOK_AGAIN_MS = 100;

/** Answers questions for the schemas of databases (see `branches/schemas/`). */
export function schemasJob(deps: JobDeps): Job {
  return {
    name: "schemas",
    every_ms: EVERY_MS,
    async run(signal) {
      const in_flight = new Map<string, Promise<void>>();
      let begun = 0;
      const begin = (reading: Reading) => {
        begun++;
        const work = answer(deps, reading)
          .then((found) => answerReadingForJob(deps.db, reading.id, found))
          .finally(() => in_flight.delete(reading.id));
        in_flight.set(reading.id, work);
      };
      try {
        while (!signal.aborted) {
          const waiting = await listReadingsForJob(
            deps.db,
            deps.node_id,
            [...in_flight.keys()],
            AT_ONCE - in_flight.size,
          );
          waiting.forEach(begin);
          if (in_flight.size === 0) break;
          // Not until all are done: a table that somebody has locked must not hold up the others.
          await Promise.race([...in_flight.values(), deps.clock.sleep(LOOK_AGAIN_MS, signal)]);
        }
      } finally {
        await Promise.all(in_flight.values());
      }
      if (begun > 0) await deleteOldReadingsForJob(deps.db);
    },
  };
}

async function answer(deps: JobDeps, reading: Reading): Promise<{ answer: string } | { refusal: SchemaRefusal }> {
  const { branch_id, database_name, format } = reading;
  if (format === "sql" && !deps.compute.capabilities().schema_dump) return { refusal: "not_offered" };
  try {
    const read = (compute_id: string) => deps.compute.readSchema(compute_id, database_name, format);
    return { answer: await atCompute(deps, branch_id, read) };
  } catch (error) {
    if (error instanceof DriverError && error.code === "database_missing") return { refusal: "database_missing" };
    deps.log.event("branch.schema_unread", { branch_id, error: describeError(error) });
    return { refusal: "unreadable" };
  }
}

/**
 * Does something at the compute of a branch that runs. Where none does, one is started for it that no client can
 * reach, and whoever wants to wake the branch's own waits for the moment that this takes.
 */
export async function atCompute<T>(
  deps: JobDeps,
  branch_id: string,
  work: (compute_id: string) => Promise<T>,
): Promise<T> {
  const running = await findRunning(deps, branch_id);
  if (running !== undefined) {
    try {
      return await work(running);
    } catch (error) {
      // It was put to rest meanwhile, or was not known to this process yet.
      const ended = error instanceof DriverError && ["not_running", "dump_failed"].includes(error.code);
      if (!ended || (await findRunning(deps, branch_id)) === running) throw error;
    }
  }
  return await deps.branches.run(branch_id, async () => {
    const own = await findRunning(deps, branch_id);
    if (own !== undefined) return await work(own);
    const branch = await findReadableBranchForJob(deps.db, deps.node_id, branch_id);
    if (branch === undefined) throw new DriverError("branch_missing", "there is no such branch");
    return await atPrivateCompute(deps, branch, work);
  });
}

/** The compute of the branch, where it runs and this process has it. */
async function findRunning(deps: JobDeps, branch_id: string): Promise<string | undefined> {
  const branch = await findReadableBranchForJob(deps.db, deps.node_id, branch_id);
  if (branch === undefined || branch.endpoint_id === null) return undefined;
  const status = await deps.compute.status(branch.endpoint_id);
  return status?.state === "running" && status.branch_id === branch.storage_id ? branch.endpoint_id : undefined;
}

/** Its id is the branch's and not an endpoint's: should the process die, it is an orphan for its job. */
async function atPrivateCompute<T>(
  deps: JobDeps,
  branch: ReadableBranch,
  work: (compute_id: string) => Promise<T>,
): Promise<T> {
  const compute_id = `private-${branch.id}`.slice(0, 63);
  try {
    await deps.compute.ensureRunning(compute_id, {
      branch_id: branch.storage_id,
      port: SOCKET_PORT,
      tcp: false,
      max_connections: 10,
      admin_password: adminPasswordOf(deps.sealer, branch).reveal(),
    });
    if (branch.applied_revision !== branch.content_revision) await applyContent(deps, compute_id, branch.id);
    return await work(compute_id);
  } finally {
    await deps.compute.remove(compute_id);
  }
}
