import { DriverError, type DriverErrorCode, type RoleSpec } from "../compute/driver.ts";
import { unreachable } from "../errors.ts";
import { describeError } from "../log.ts";
import { scramVerifier } from "../postgres/scram.ts";
import { openRolePassword } from "../roles/password.ts";
import { backOffDelay_ms } from "./back-off.ts";
import { type JobDeps, reach, StoppedAtStep } from "./deps.ts";
import type { Job } from "./runner.ts";
import { startCompute } from "./start-compute.ts";
import * as store from "./store.ts";

const EVERY_MS = 1_000;
const PROJECTS_AT_ONCE = 4;
/** How soon a new project is noticed while another one's work is still going on. */
const LOOK_AGAIN_MS = 100;
const MOST_FAILURES = 10;

/** What people are told; the true error goes to the log. */
const PUBLIC_ERRORS: Partial<Record<DriverErrorCode, string>> = {
  port_taken: "no free port was found for the compute",
  branch_missing: "the branch has no storage",
  branch_in_use: "another compute runs on the branch",
  version_unavailable: "this PostgreSQL version is not available on the node",
  setting_refused: "a setting of the compute was refused",
  name_refused: "the name of a role or database was refused",
  start_failed: "the compute did not start",
};
const INTERNAL_ERROR = "internal error; the server's log has the detail";
/** Trying again cannot help. */
const HOPELESS: ReadonlySet<DriverErrorCode> = new Set(["setting_refused", "name_refused", "id_refused"]);

/** Carries out recorded operations: in order within a project, a few projects at a time. */
export function operationsJob(deps: JobDeps): Job {
  return {
    name: "operations",
    every_ms: EVERY_MS,
    async run(signal) {
      const in_flight = new Map<string, Promise<void>>();
      const failures: unknown[] = [];
      const begin = (operation: store.ClaimedOperation) => {
        const work = carryOut(deps, operation, signal)
          .catch((error) => void failures.push(error))
          .finally(() => in_flight.delete(operation.id));
        in_flight.set(operation.id, work);
      };
      try {
        while (!signal.aborted && failures.length === 0) {
          const limit = PROJECTS_AT_ONCE - in_flight.size;
          const claim = { node_id: deps.node_id, in_flight: [...in_flight.keys()], limit };
          if (limit > 0) (await store.claimOperationsForJob(deps.db, claim)).forEach(begin);
          if (in_flight.size === 0) break;
          // Not until all are done: one compute that takes its time must not hold up a new project.
          await Promise.race([...in_flight.values(), deps.clock.sleep(LOOK_AGAIN_MS, signal)]);
        }
      } finally {
        await Promise.all(in_flight.values());
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}

async function carryOut(deps: JobDeps, operation: store.ClaimedOperation, signal: AbortSignal): Promise<void> {
  const { id: operation_id, action, project_id } = operation;
  const started = deps.clock.monotonic_ms();
  try {
    await deps.branches.run(operation.branch_id, () => perform(deps, operation));
    const duration_ms = deps.clock.monotonic_ms() - started;
    deps.log.event("operation.finished", { operation_id, action, project_id, duration_ms });
  } catch (error) {
    if (error instanceof StoppedAtStep) throw error;
    const shutting_down = signal.aborted || (error instanceof DriverError && error.code === "shut_down");
    if (shutting_down) await store.releaseOperationForJob(deps.db, operation_id, deps.node_id);
    else await recordFailure(deps, operation, error);
  }
}

async function perform(deps: JobDeps, operation: store.ClaimedOperation): Promise<void> {
  switch (operation.action) {
    case "create_timeline":
      return await createTimeline(deps, operation);
    case "start_compute":
      return await startFirstTime(deps, operation);
    default:
      // The contract has more of Neon's actions than any route records yet.
      return unreachable(`operation ${operation.action}`);
  }
}

async function createTimeline(deps: JobDeps, operation: store.ClaimedOperation): Promise<void> {
  const { branch_id, project_id } = operation;
  await reach(deps, "create_timeline:claimed");
  const pg_version = await store.getPgVersionForJob(deps.db, project_id);
  await deps.storage.createRoot(branch_id, { pg_version });
  await reach(deps, "create_timeline:storage_made");
  await deps.db.transaction().execute(async (tx) => {
    await store.finishOperationForJob(tx, operation.id, deps.node_id);
    await store.markBranchReadyForJob(tx, branch_id);
  });
  await reach(deps, "create_timeline:finished");
}

async function startFirstTime(deps: JobDeps, operation: store.ClaimedOperation): Promise<void> {
  const { branch_id } = operation;
  const endpoint_id = operation.endpoint_id ?? unreachable("start_compute without an endpoint");
  await reach(deps, "start_compute:claimed");
  await startCompute(deps, await store.getComputeForJob(deps.db, endpoint_id));
  await reach(deps, "start_compute:compute_running");
  const { roles, databases } = await store.getContentForJob(deps.db, branch_id);
  const withVerifiers = await Promise.all(
    roles.map(async ({ name, password }): Promise<RoleSpec> => {
      const secret = openRolePassword(deps.sealer, password, branch_id, name);
      return { name, login: true, verifier: await scramVerifier(secret.reveal()) };
    }),
  );
  await deps.compute.apply(endpoint_id, { roles: withVerifiers, databases });
  await reach(deps, "start_compute:content_applied");
  await deps.db.transaction().execute(async (tx) => {
    await store.finishOperationForJob(tx, operation.id, deps.node_id);
    await store.markEndpointStartedForJob(tx, endpoint_id);
  });
  await reach(deps, "start_compute:finished");
}

async function recordFailure(deps: JobDeps, operation: store.ClaimedOperation, error: unknown): Promise<void> {
  const { id: operation_id, action, project_id } = operation;
  const code = error instanceof DriverError ? error.code : undefined;
  const failures_count = operation.failures_count + 1;
  const failure = { error: (code && PUBLIC_ERRORS[code]) ?? INTERNAL_ERROR, failures_count };
  const event = { operation_id, action, project_id, failures: failures_count, error: describeError(error) };
  if (failures_count >= MOST_FAILURES || (code && HOPELESS.has(code))) {
    await deps.db.transaction().execute((tx) => store.failOperationForJob(tx, operation, deps.node_id, failure));
    deps.log.event("operation.failed", event);
  } else {
    const delay_ms = backOffDelay_ms(failures_count);
    await store.retryOperationForJob(deps.db, operation_id, deps.node_id, { ...failure, delay_ms });
    deps.log.event("operation.retried", event);
  }
}
