import type { Clock } from "../clock.ts";
import type { ComputeDriver } from "../compute/driver.ts";
import { DriverError } from "../compute/driver.ts";
import type { Db } from "../db/pool.ts";
import type { Job } from "../jobs/runner.ts";
import type { GatewayEvent } from "./directory.ts";
import type { Gateway } from "./gateway.ts";
import { CLIENTS_IN_COMPUTE, type ListedEndpoint, listEndpointsForGateway } from "./store.ts";
import type { TlsFiles } from "./tls-identity.ts";
import type { Verifiers } from "./verifiers.ts";

export interface UpkeepDeps {
  readonly db: Db;
  readonly gateway: Gateway;
  readonly verifiers: Pick<Verifiers, "refresh">;
  readonly compute: Pick<ComputeDriver, "query">;
  readonly tls: Pick<TlsFiles, "refresh"> | undefined;
  readonly node_id: string;
  readonly clock: Pick<Clock, "monotonic_ms">;
  /** Puts a compute to rest, if it is idle still once it is its turn. */
  readonly rest: (endpoint_id: string, isIdle: () => boolean) => Promise<void>;
  /** Somebody else has the endpoint's port: gives it another one, which is opened at the next run. */
  readonly changePort: (endpoint_id: string) => Promise<unknown>;
  readonly report: (event: GatewayEvent) => void;
}

const EVERY_MS = 2_000;
/** What `suspend_timeout_seconds: 0` means, as in Neon. */
const DEFAULT_TIMEOUT_SECONDS = 300;

/**
 * What the gateway needs now and then: a port for each endpoint, the renewed certificate, the verifiers of computes
 * that sleep soon, and sleep for those that nobody uses.
 */
export function gatewayJob(deps: UpkeepDeps): Job {
  const { db, gateway, verifiers, clock, node_id, report } = deps;
  /** Since when an endpoint has been seen active without anybody using it. */
  const quiet_since = new Map<string, number>();
  const settled = new Map<string, number>();

  async function syncPorts(endpoints: readonly ListedEndpoint[]): Promise<void> {
    const wanted = new Set(endpoints.map(({ id }) => id));
    for (const id of gateway.openPorts().keys()) {
      if (wanted.has(id)) continue;
      gateway.closePort(id);
      gateway.disconnect(id);
    }
    for (const { id, host, port } of endpoints) {
      try {
        await gateway.openPort(id, { host, port });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
        await deps.changePort(id);
      }
    }
  }

  async function keepVerifiers({ id }: ListedEndpoint): Promise<void> {
    const now = gateway.trafficOf(id).settled;
    if (settled.get(id) === now) return;
    settled.set(id, now);
    await verifiers.refresh(id);
  }

  /** Undefined: it is used, does not run, or never rests. */
  function idleFor_ms(endpoint: ListedEndpoint): number | undefined {
    const { id, suspend_timeout_seconds, current_state } = endpoint;
    const { opening, busy, last_activity_ms = 0 } = gateway.trafficOf(id);
    if (suspend_timeout_seconds < 0 || current_state !== "active" || opening > 0 || busy > 0) {
      quiet_since.delete(id);
      return undefined;
    }
    const since_ms = Math.max(last_activity_ms, quiet_since.get(id) ?? clock.monotonic_ms());
    quiet_since.set(id, since_ms);
    return clock.monotonic_ms() - since_ms;
  }

  async function restWhenIdle(endpoint: ListedEndpoint): Promise<void> {
    const { id, suspend_timeout_seconds } = endpoint;
    const seconds = suspend_timeout_seconds === 0 ? DEFAULT_TIMEOUT_SECONDS : suspend_timeout_seconds;
    const isIdle = () => (idleFor_ms(endpoint) ?? Number.NEGATIVE_INFINITY) >= seconds * 1000;
    if (!isIdle()) return;
    try {
      // Work that came in by another way than through here, or goes on after its client has gone.
      const [row] = await deps.compute.query(id, { text: CLIENTS_IN_COMPUTE, values: [seconds] });
      if (Number(row?.active) > 0) {
        quiet_since.set(id, clock.monotonic_ms());
        return;
      }
      await verifiers.refresh(id);
    } catch (error) {
      if (error instanceof DriverError && error.code === "not_running") return;
      throw error;
    }
    await deps.rest(id, isIdle);
    quiet_since.delete(id);
  }

  return {
    name: "gateway",
    every_ms: EVERY_MS,
    async run(signal) {
      const endpoints = await listEndpointsForGateway(db, node_id);
      await syncPorts(endpoints);
      await deps.tls?.refresh().catch((error: unknown) => report({ event: "certificate_kept", error }));
      const ids = new Set(endpoints.map(({ id }) => id));
      for (const map of [quiet_since, settled]) for (const id of map.keys()) if (!ids.has(id)) map.delete(id);
      for (const endpoint of endpoints) {
        if (signal.aborted) return;
        await keepVerifiers(endpoint);
        await restWhenIdle(endpoint);
      }
    },
  };
}
