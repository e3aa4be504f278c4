import pino, { type DestinationStream } from "pino";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/**
 * Logs and metrics. Both are fed by the same typed events, so that a dashboard and a log line cannot tell
 * different stories. An event's fields are chosen one by one: no header, body, query or error of a
 * library goes in whole, for that is how secrets reach logs.
 */
export interface Events {
  "server.ready": { console_url: string; ready_ms: number };
  "server.stopping": { signal: string };
  "server.stopped": { took_ms: number };
  "request.done": {
    request_id: string;
    method: string;
    /** The route's template: a raw URL may carry what it should not. */
    route: string;
    status: number;
    duration_ms: number;
    principal: string;
    error?: string;
  };
  "request.failed": { request_id: string; route: string; error: string; stack: string };
  "credential.refused": { request_id: string; reason: string; address: string; key_id?: number };
  "key.uses_written": { keys: number; duration_ms: number };
  "key.uses_delayed": { keys: number; error: string };
  "job.done": { job: string; duration_ms: number };
  "job.failed": { job: string; error: string };
  "operation.finished": { operation_id: string; action: string; project_id: string; duration_ms: number };
  "operation.retried": { operation_id: string; action: string; project_id: string; failures: number; error: string };
  "operation.failed": { operation_id: string; action: string; project_id: string; failures: number; error: string };
  "compute.died": { endpoint_id: string; reason: string };
  "compute.restarted": { endpoint_id: string; duration_ms: number };
  "compute.restart_failed": { endpoint_id: string; failures: number; error: string };
  "endpoint.port_changed": { endpoint_id: string; port: number };
  "branch.removed": { branch_id: string; project_id: string };
  "branch.removal_failed": { branch_id: string; project_id: string; failures: number; error: string };
  "compute.removed_orphan": { endpoint_id: string };
  "storage.removed_orphan": { branch_id: string };
  "mail.sent": { template: string };
  "mail.failed": { template: string; error: string };
  "database.error": { error: string };
  /** What the room of PostgreSQL processes reports of itself. */
  "postgres.event": { event: string; fields: object };
}

const LEVELS: { readonly [E in keyof Events]?: "debug" | "warn" | "error" } = {
  "request.done": "debug",
  "request.failed": "error",
  "key.uses_written": "debug",
  "key.uses_delayed": "warn",
  "job.done": "debug",
  "job.failed": "error",
  "operation.retried": "warn",
  "operation.failed": "error",
  "compute.died": "warn",
  "compute.restart_failed": "error",
  "compute.removed_orphan": "warn",
  "storage.removed_orphan": "warn",
  "branch.removal_failed": "error",
  "mail.failed": "error",
  "database.error": "error",
  "postgres.event": "debug",
};

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface Log {
  event<E extends keyof Events>(name: E, fields: Events[E]): void;
  readonly metrics: Metrics;
}

/** The Prometheus side; labels are bounded sets (templates, kinds), never ids. */
export class Metrics {
  readonly registry = new Registry();
  private readonly requests = new Histogram({
    name: "latchkey_http_request_duration_seconds",
    help: "Time from the first byte of a request to its answer",
    labelNames: ["method", "route", "status"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers: [this.registry],
  });
  private readonly refused = new Counter({
    name: "latchkey_credentials_refused_total",
    help: "Requests answered 401, by true reason",
    labelNames: ["reason"],
    registers: [this.registry],
  });
  private readonly operations = new Counter({
    name: "latchkey_operations_total",
    help: "Attempts at operations, by outcome",
    labelNames: ["action", "outcome"],
    registers: [this.registry],
  });
  readonly key_lookups = new Counter({
    name: "latchkey_key_lookups_total",
    help: "Database queries made to verify API keys",
    registers: [this.registry],
  });
  readonly computes = new Gauge({
    name: "latchkey_computes_running",
    help: "Computes that this node runs",
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  count<E extends keyof Events>(name: E, fields: Events[E]): void {
    if (name === "request.done") {
      const { method, route, status, duration_ms } = fields as Events["request.done"];
      this.requests.observe({ method, route, status }, duration_ms / 1000);
    } else if (name === "credential.refused") {
      this.refused.inc({ reason: (fields as Events["credential.refused"]).reason });
    } else if (name.startsWith("operation.")) {
      const { action } = fields as Events["operation.finished"];
      this.operations.inc({ action, outcome: name.slice("operation.".length) });
    }
  }
}

/** Makes the log. It writes JSON lines to stderr unless given another destination: stdout is for people. */
export function createLog(
  level: LogLevel,
  destination: DestinationStream = pino.destination({ fd: 2, sync: true }),
): Log {
  const logger = pino(
    { level, base: null, messageKey: "event", timestamp: pino.stdTimeFunctions.isoTime },
    destination,
  );
  const metrics = new Metrics();
  return {
    metrics,
    event(name, fields) {
      metrics.count(name, fields);
      logger[LEVELS[name] ?? "info"](fields as object, name as string);
    },
  };
}

/** What may be told of an unknown error: its class and message, or its code where it is one of Postgres. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return "unknown error";
  const code = "code" in error && typeof error.code === "string" ? ` (${error.code})` : "";
  return `${error.name}: ${error.message}${code}`;
}
