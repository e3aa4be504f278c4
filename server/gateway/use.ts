import type { Clock } from "../clock.ts";
import type { Db } from "../db/pool.ts";
import type { Job } from "../jobs/runner.ts";
import type { Gateway } from "./gateway.ts";
import { listEndpointsForGateway, noteUseForGateway } from "./store.ts";

/** As often as the meters: quotas are judged by both. */
const EVERY_MS = 30_000;

interface Noted {
  readonly sent_bytes: number;
  readonly last_activity_ms: number;
}

export interface UseDeps {
  readonly db: Db;
  readonly gateway: Pick<Gateway, "trafficOf">;
  readonly node_id: string;
  readonly clock: Pick<Clock, "monotonic_ms">;
}

/** Records when clients were last there, and how much they were sent: from time to time, and at the end of a server. */
export class UseRecorder {
  readonly #deps: UseDeps;
  readonly #noted = new Map<string, Noted>();

  constructor(deps: UseDeps) {
    this.#deps = deps;
  }

  async record(): Promise<void> {
    const { db, gateway, node_id, clock } = this.#deps;
    const ids = new Set((await listEndpointsForGateway(db, node_id)).map(({ id }) => id));
    for (const id of this.#noted.keys()) if (!ids.has(id)) this.#noted.delete(id);
    for (const id of ids) {
      const { sent_bytes, last_activity_ms, busy } = gateway.trafficOf(id);
      if (last_activity_ms === undefined) continue;
      const before = this.#noted.get(id);
      if (busy === 0 && before?.last_activity_ms === last_activity_ms) continue;
      // Counting began anew where the endpoint's port was closed and opened again.
      const since = before !== undefined && before.sent_bytes <= sent_bytes ? before.sent_bytes : 0;
      await noteUseForGateway(db, id, {
        sent_bytes: sent_bytes - since,
        idle_seconds: busy > 0 ? 0 : (clock.monotonic_ms() - last_activity_ms) / 1000,
      });
      this.#noted.set(id, { sent_bytes, last_activity_ms });
    }
  }

  job(): Job {
    return { name: "gateway_use", every_ms: EVERY_MS, unpokable: true, run: () => this.record() };
  }
}
