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
  /** From here on this address is answered 429, which is counted and not logged. */
  "credential.flood": { address: string };
  "oauth.refused": { request_id: string; path: string; error: string; address: string };
  /** One of the processes that serve requests has ended by itself; another takes its place. */
  "worker.ended": { pid: number; reason: string };
  "key.uses_written": { keys: number; duration_ms: number };
  "key.uses_delayed": { keys: number; error: string };
  /** This node answers from memory from now on. */
  "node.lease_held": { node_id: string; revision: number };
  /** It asks the database for each request until it holds the lease again. */
  "node.lease_lost": { node_id: string; error: string };
  /** This process may start computes on its data directory from now on. */
  "placement.held": { node_id: string };
  /** It starts none until it has reached the database again; those that run stay. */
  "placement.lost": { node_id: string; error: string };
  /** Another process works as this node: this one stops its computes and ends. */
  "placement.taken": { node_id: string };
  "node.memory_dropped": { node_id: string; reason: "history" | "server" | "many_changes"; revision: number };
  /** A narrowing change is answered: how many nodes had applied it and how many had fallen silent. */
  "access.confirmed": { revision: number; acknowledged: number; lapsed: number; waited_ms: number };
  "job.done": { job: string; duration_ms: number };
  "job.failed": { job: string; error: string };
  "operation.finished": { operation_id: string; action: string; project_id: string; duration_ms: number };
  "operation.retried": { operation_id: string; action: string; project_id: string; failures: number; error: string };
  "operation.failed": { operation_id: string; action: string; project_id: string; failures: number; error: string };
  "operation.cancelled": { operation_id: string; action: string; project_id: string };
  "compute.died": { endpoint_id: string; reason: string };
  "compute.restarted": { endpoint_id: string; duration_ms: number };
  /** It was to run again after it had ended, or for a client that came. */
  "compute.start_failed": { endpoint_id: string; failures: number; error: string };
  "compute.not_observed": { endpoint_id: string; error: string };
  /** What the API was asked to change and SQL had done something else to. */
  "compute.content_refused": { branch_id: string; reasons: readonly string[] };
  "endpoint.port_changed": { endpoint_id: string; port: number };
  "branch.removed": { branch_id: string; project_id: string };
  "branch.removal_failed": { branch_id: string; project_id: string; failures: number; error: string };
  "compute.removed_orphan": { endpoint_id: string };
  "branch.schema_unread": { branch_id: string; error: string };
  "branch.expired": { branch_id: string; project_id: string };
  "storage.removed_orphan": { storage_id: string };
  "storage.left_over": { storage_id: string; error: string };
  /** The true reason, which the client was not told. */
  "gateway.refused": { reason: string; address: string; endpoint_id?: string };
  "gateway.opened": { endpoint_id: string; tls: boolean; took_ms: number };
  "gateway.wake_failed": { endpoint_id: string; error: string };
  "gateway.certificate_kept": { error: string };
  "gateway.failed": { endpoint_id?: string; error: string };
  "mail.sent": { template: string };
  "mail.failed": { template: string; error: string };
  "database.error": { error: string };
  /** PgBouncer is there and cannot be used. */
  "pooler.unusable": { reason: string };
  /** What the room of PostgreSQL processes reports of itself. */
  "postgres.event": { event: string; fields: object };
}

const LEVELS: { readonly [E in keyof Events]?: "debug" | "warn" | "error" } = {
  "request.done": "debug",
  "request.failed": "error",
  "credential.flood": "warn",
  "worker.ended": "error",
  "key.uses_written": "debug",
  "key.uses_delayed": "warn",
  "node.lease_lost": "warn",
  "node.memory_dropped": "warn",
  "placement.lost": "warn",
  "placement.taken": "error",
  "job.done": "debug",
  "job.failed": "error",
  "operation.retried": "warn",
  "operation.failed": "error",
  "compute.died": "warn",
  "compute.start_failed": "error",
  "compute.not_observed": "warn",
  "compute.content_refused": "warn",
  "compute.removed_orphan": "warn",
  "storage.removed_orphan": "warn",
  "storage.left_over": "warn",
  "branch.removal_failed": "error",
  // Anybody can make these as fast as they like: they are counted, and logged for whoever looks closely.
  "gateway.refused": "debug",
  "gateway.opened": "debug",
  "gateway.wake_failed": "warn",
  "gateway.certificate_kept": "warn",
  "gateway.failed": "error",
  "branch.schema_unread": "warn",
  "mail.failed": "error",
  "database.error": "error",
  "pooler.unusable": "warn",
  "postgres.event": "debug",
};

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type RequestDone = (
  duration_ms: number,
  describe: () => Pick<Events["request.done"], "request_id" | "principal">,
) => void;

export interface Log {
  event<E extends keyof Events>(name: E, fields: Events[E]): void;
  /**
   * Where the event `request.done` is told for one route, method and status: it is the event of the hot path, so what is
   * known beforehand is looked up beforehand, and what only the log shows is asked for only when it is shown.
   */
  requestsOf(method: string, route: string, status: number): RequestDone;
  readonly metrics: Metrics;
}

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/**
 * The histogram of requests. Counted in arrays of our own and given to the library when somebody asks: its
 * own counting sorts and joins the labels each time, which costs as much as verifying a key.
 */
class RequestDurations {
  /** By route, then by method and status. */
  readonly #series = new Map<string, Map<string, RequestSeries>>();

  constructor(registry: Registry) {
    const series = this.#series;
    registry.registerMetric(
      new (class extends Histogram {
        override async get() {
          const values = [...series.values()].flatMap((of_route) => [...of_route.values()]).flatMap(rendered);
          const metric = { name: NAME, help: HELP, type: "histogram", aggregator: "sum" as const, values };
          return metric as unknown as Awaited<ReturnType<Histogram["get"]>>;
        }

        /** What the text format is written from; the library's types do not tell of it. */
        async getForPromString() {
          return await this.get();
        }
      })({
        name: NAME,
        help: HELP,
        buckets: BUCKETS,
        registers: [],
      }),
    );
  }

  seriesOf(method: string, route: string, status: number): RequestSeries {
    let of_route = this.#series.get(route);
    if (!of_route) {
      of_route = new Map();
      this.#series.set(route, of_route);
    }
    const key = method + status;
    let one = of_route.get(key);
    if (!one) {
      one = new RequestSeries({ method, route, status });
      of_route.set(key, one);
    }
    return one;
  }
}

/** The requests of one route, method and status, by how long they took. */
class RequestSeries {
  readonly labels: object;
  readonly counts = new Float64Array(BUCKETS.length + 1);
  sum = 0;

  constructor(labels: object) {
    this.labels = labels;
  }

  observe(seconds: number): void {
    let bucket = 0;
    while (bucket < BUCKETS.length && seconds > (BUCKETS[bucket] as number)) bucket++;
    this.counts[bucket] = (this.counts[bucket] as number) + 1;
    this.sum += seconds;
  }
}

const NAME = "latchkey_http_request_duration_seconds";
const HELP = "Time from the first byte of a request to its answer";

/** As the library writes histograms: each bucket holds what the ones before it hold. */
function rendered({ counts, sum, labels }: RequestSeries) {
  let total = 0;
  const buckets = [...counts].map((count, i) => {
    total += count;
    return { metricName: `${NAME}_bucket`, labels: { le: BUCKETS[i] ?? "+Inf", ...labels }, value: total };
  });
  return [
    ...buckets,
    { metricName: `${NAME}_sum`, labels, value: sum },
    { metricName: `${NAME}_count`, labels, value: total },
  ];
}

/** The Prometheus side; labels are bounded sets (templates, kinds), never ids. */
export class Metrics {
  readonly registry = new Registry();
  readonly requests = new RequestDurations(this.registry);
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
  private readonly gateway_refused = new Counter({
    name: "latchkey_gateway_refused_total",
    help: "Postgres connections refused, by true reason",
    labelNames: ["reason"],
    registers: [this.registry],
  });
  private readonly gateway_opened = new Histogram({
    name: "latchkey_gateway_open_seconds",
    help: "Time from a Postgres client's proof of its password to its session, waking included",
    buckets: BUCKETS,
    registers: [this.registry],
  });
  private readonly compute_deaths = new Counter({
    name: "latchkey_compute_deaths_total",
    help: "Computes that have ended without having been asked to",
    registers: [this.registry],
  });
  private readonly compute_restarts = new Counter({
    name: "latchkey_compute_restarts_total",
    help: "Starts of computes that nobody has asked for by the API, by outcome",
    labelNames: ["outcome"],
    registers: [this.registry],
  });
  readonly key_lookups = new Counter({
    name: "latchkey_key_lookups_total",
    help: "API keys looked up in the database, many of them in one query",
    registers: [this.registry],
  });
  readonly key_lookup_queries = new Counter({
    name: "latchkey_key_lookup_queries_total",
    help: "Database queries made to look API keys up",
    registers: [this.registry],
  });
  readonly look_ups_refused = new Counter({
    name: "latchkey_lookups_refused_total",
    help: "Requests answered 503 because too many others waited for the database to verify their credentials",
    registers: [this.registry],
  });
  private readonly confirmations = new Histogram({
    name: "latchkey_revocation_wait_seconds",
    help: "Time that narrowing changes waited for every node before they were answered",
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3],
    registers: [this.registry],
  });
  private readonly lapses = new Counter({
    name: "latchkey_revocation_lapsed_nodes_total",
    help: "Nodes that a narrowing change did not hear from and whose lease it waited out",
    registers: [this.registry],
  });
  readonly nodes_live = this.derived("latchkey_nodes_live", "Nodes that renew their lease, as this one sees it", "max");
  readonly lease_held = this.derived("latchkey_node_lease_held", "Whether this node may answer from memory", "min");
  readonly data_node_held = this.derived("latchkey_data_node_held", "Whether this node may start computes", "max");
  readonly data_nodes_lost = this.derived(
    "latchkey_data_nodes_lost",
    "Nodes with projects that are not heard from, as this one saw within 10 seconds",
    "max",
  );
  readonly keys_remembered = this.derived("latchkey_key_cache_entries", "API keys in this node's memory", "sum");
  readonly key_memory_bytes = this.derived("latchkey_key_cache_bytes", "Bytes that these keys take", "sum");
  readonly key_uses_waiting = this.derived(
    "latchkey_key_uses_waiting",
    "API keys whose last use is not written yet; above 5,000 the lists are more than a second behind",
    "sum",
  );
  readonly gateway_sessions = this.derived("latchkey_gateway_sessions", "Postgres clients that are connected", "sum");
  readonly gateway_half_open = this.derived(
    "latchkey_gateway_half_open",
    "Postgres connections that have not proved a password",
    "sum",
  );
  readonly rate_limited = new Counter({
    name: "latchkey_rate_limited_total",
    help: "Requests answered 429, by the limit that they met",
    labelNames: ["limit"],
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

  /** A gauge that is read from its source when somebody asks for it; `over_workers` says how several make one. */
  private derived(
    name: string,
    help: string,
    over_workers: "sum" | "min" | "max",
  ): { collect_from(read: () => number): void } {
    let read: () => number = () => 0;
    new Gauge({
      name,
      help,
      aggregator: over_workers,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
    return {
      collect_from(source) {
        read = source;
      },
    };
  }

  count<E extends keyof Events>(name: E, fields: Events[E]): void {
    if (name === "credential.refused") {
      this.refused.inc({ reason: (fields as Events["credential.refused"]).reason });
    } else if (name === "access.confirmed") {
      const { waited_ms, lapsed } = fields as Events["access.confirmed"];
      this.confirmations.observe(waited_ms / 1000);
      this.lapses.inc(lapsed);
    } else if (name === "gateway.refused") {
      this.gateway_refused.inc({ reason: (fields as Events["gateway.refused"]).reason });
    } else if (name === "gateway.opened") {
      this.gateway_opened.observe((fields as Events["gateway.opened"]).took_ms / 1000);
    } else if (name === "compute.died") {
      this.compute_deaths.inc();
    } else if (name === "compute.restarted" || name === "compute.start_failed") {
      this.compute_restarts.inc({ outcome: name === "compute.restarted" ? "finished" : "failed" });
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
  const shows_requests = logger.isLevelEnabled("debug");
  return {
    metrics,
    event(name, fields) {
      metrics.count(name, fields);
      logger[LEVELS[name] ?? "info"](fields as object, name as string);
    },
    requestsOf(method, route, status) {
      const series = metrics.requests.seriesOf(method, route, status);
      return (duration_ms, describe) => {
        series.observe(duration_ms / 1000);
        if (shows_requests) logger.debug({ method, route, status, duration_ms, ...describe() }, "request.done");
      };
    },
  };
}

/** What may be told of an unknown error: its class and message, or its code where it is one of Postgres. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return "unknown error";
  const code = "code" in error && typeof error.code === "string" ? ` (${error.code})` : "";
  return `${error.name}: ${error.message}${code}`;
}
