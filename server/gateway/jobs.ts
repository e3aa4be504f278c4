import type { Clock } from "../clock.ts";
import { type ComputeDriver, DriverError } from "../compute/driver.ts";
import type { Db } from "../db/pool.ts";
import { forEachOf } from "../jobs/for-each.ts";
import type { Job } from "../jobs/runner.ts";
import { describeError } from "../log.ts";
import type { GatewayEvent } from "./directory.ts";
import type { Gateway } from "./gateway.ts";
import type { Ports } from "./ports.ts";
import { type ListedEndpoint, listEndpointsForGateway, USE_OF_COMPUTE } from "./store.ts";
import type { TlsFiles } from "./tls-identity.ts";
import type { Verifiers } from "./verifiers.ts";

const EVERY_MS = 2_000;

/** Keeps the gateway's ports as the rows say, and its certificate as its files are. */
export function portsJob(deps: {
  readonly ports: Pick<Ports, "sync">;
  readonly tls: Pick<TlsFiles, "refresh">;
  readonly report: (event: GatewayEvent) => void;
}): Job {
  let told = "";
  return {
    name: "gateway_ports",
    every_ms: EVERY_MS,
    async run() {
      await deps.ports.sync();
      try {
        await deps.tls.refresh();
        told = "";
      } catch (error) {
        // Told once and not every two seconds, for as long as it stays the same.
        if (told !== describeError(error)) deps.report({ event: "certificate_kept", error });
        told = describeError(error);
      }
    },
  };
}

export interface IdleDeps {
  readonly db: Db;
  readonly gateway: Pick<Gateway, "trafficOf" | "forgetAddress">;
  readonly verifiers: Pick<Verifiers, "refresh">;
  readonly compute: Pick<ComputeDriver, "query">;
  readonly node_id: string;
  readonly clock: Pick<Clock, "monotonic_ms">;
  /** Puts a compute to rest, if it is idle still and its branch is not worked on. Does not wait for a branch. */
  readonly rest: (endpoint_id: string, isIdle: () => boolean) => Promise<void>;
}

/** What `suspend_timeout_seconds: 0` means, as in Neon. */
const DEFAULT_TIMEOUT_SECONDS = 300;
/** A compute that hangs makes its place wait. */
const AT_ONCE = 4;

/** Puts computes to rest that nobody uses, and looks at what people do in the others. */
export function idleJob(deps: IdleDeps): Job {
  const { db, gateway, verifiers, clock, node_id } = deps;
  /** Since when an endpoint has been seen active without anybody using it. */
  const quiet_since = new Map<string, number>();
  /** What had been sent and received when it was looked last, of endpoints with somebody at work. */
  const busy_at = new Map<string, number>();
  /** As of when an endpoint's compute was looked at. */
  const seen = new Map<string, string>();

  /** What was done in the last moment before a stop is seen at the next start, for nobody has seen it yet. */
  async function observe({ id, current_state, storage_id, applied_revision }: ListedEndpoint): Promise<void> {
    const now = [storage_id, applied_revision, gateway.trafficOf(id).settled].join();
    if (current_state !== "active" || seen.get(id) === now) return;
    if (await verifiers.refresh(id)) seen.set(id, now);
  }

  /** As far as can be told from here; who works without a word, PostgreSQL tells. Undefined: it does not run, or never rests. */
  function idleFor_ms(endpoint: ListedEndpoint): number | undefined {
    const { id, suspend_timeout_seconds, current_state } = endpoint;
    const { opening, busy, busy_chunks, last_activity_ms = 0 } = gateway.trafficOf(id);
    if (suspend_timeout_seconds < 0 || current_state !== "active" || opening > 0) {
      quiet_since.delete(id);
      return undefined;
    }
    if (busy === 0) busy_at.delete(id);
    else if (busy_at.get(id) !== busy_chunks) {
      busy_at.set(id, busy_chunks);
      quiet_since.set(id, clock.monotonic_ms());
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
      // Work that came in by another way than through here, such as a copy, or goes on after its client has gone.
      const [row] = await deps.compute.query(id, { text: USE_OF_COMPUTE, values: [seconds] });
      if (Number(row?.active) > 0) {
        quiet_since.set(id, clock.monotonic_ms());
        return;
      }
    } catch (error) {
      if (error instanceof DriverError && error.code === "not_running") return;
      throw error;
    }
    await deps.rest(id, () => {
      if (!isIdle()) return false;
      // In one go with the look: who comes later waits for its turn behind the rest.
      gateway.forgetAddress(id);
      quiet_since.delete(id);
      return true;
    });
  }

  return {
    name: "gateway_idle",
    every_ms: EVERY_MS,
    unpokable: true,
    async run(signal) {
      const endpoints = await listEndpointsForGateway(db, node_id);
      const ids = new Set(endpoints.map(({ id }) => id));
      for (const map of [quiet_since, busy_at, seen]) for (const id of map.keys()) if (!ids.has(id)) map.delete(id);
      await forEachOf(endpoints, AT_ONCE, async (endpoint) => {
        if (signal.aborted) return;
        await observe(endpoint);
        await restWhenIdle(endpoint);
      });
    },
  };
}
