import type { Clock } from "../clock.ts";
import type { Db } from "../db/pool.ts";
import type { Gateway } from "./gateway.ts";
import { type ListedEndpoint, listEndpointsForGateway } from "./store.ts";

export interface PortDeps {
  readonly db: Db;
  readonly gateway: Gateway;
  readonly node_id: string;
  readonly clock: Pick<Clock, "monotonic_ms">;
  /** Somebody else keeps the endpoint's port: gives it another one, which is opened at the next run. */
  readonly changePort: (endpoint_id: string) => Promise<unknown>;
}

/**
 * How long a port may be taken before its endpoint gets another one. A client of anything on this machine can have it
 * for a moment as its own end of a connection, and another port makes every connection string wrong that is in use.
 */
const PATIENCE_MS = 15_000;

/** Opens a port for each endpoint of this node and closes those of endpoints that have gone, with their sessions. */
export class Ports {
  readonly #deps: PortDeps;
  readonly #taken_since = new Map<string, number>();

  constructor(deps: PortDeps) {
    this.#deps = deps;
  }

  async sync(): Promise<void> {
    const { db, gateway, node_id } = this.#deps;
    const endpoints = await listEndpointsForGateway(db, node_id);
    const wanted = new Set(endpoints.map(({ id }) => id));
    for (const id of gateway.openPorts().keys()) {
      if (wanted.has(id)) continue;
      gateway.closePort(id);
      gateway.disconnect(id);
    }
    for (const id of this.#taken_since.keys()) if (!wanted.has(id)) this.#taken_since.delete(id);
    for (const endpoint of endpoints) await this.#open(endpoint);
  }

  async #open({ id, host, port }: ListedEndpoint): Promise<void> {
    const { gateway, clock, changePort } = this.#deps;
    try {
      await gateway.openPort(id, { host, port });
      this.#taken_since.delete(id);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
      const now_ms = clock.monotonic_ms();
      const since_ms = this.#taken_since.get(id) ?? now_ms;
      this.#taken_since.set(id, since_ms);
      if (now_ms - since_ms < PATIENCE_MS) return;
      this.#taken_since.delete(id);
      await changePort(id);
    }
  }
}
