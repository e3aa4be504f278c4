import { resolve } from "node:path";
import { closest } from "fastest-levenshtein";
import { LOG_LEVELS, type LogLevel } from "./log.ts";

/**
 * Configuration: the only file that reads the environment. It is read once, checked as a whole (every
 * mistake is told at once), and frozen. A `LATCHKEY_*` that is not known is refused with the nearest name,
 * so that a misspelt setting cannot be taken for one that works.
 */
export interface Config {
  /** Address to listen on. */
  readonly host: string;
  readonly port: number;
  /** Absolute. Holds the embedded database, the projects' clusters, the secret key and the certificate. */
  readonly data_dir: string;
  /** Origin that people and clients use, without a trailing slash. */
  readonly public_url: string;
  /** Absent: the embedded database. */
  readonly database_url: string | undefined;
  /** Directory with `initdb` and `postgres`; absent: the binaries of the npm package. */
  readonly pg_bin: string | undefined;
  /** Port that all endpoints share for Postgres clients; 0: each has only its own. */
  readonly pg_port: number;
  /** Below it every endpoint has a name: `<endpoint>.<domain>`. Absent: endpoints are told by ports of their own. */
  readonly pg_domain: PgDomain | undefined;
  /** PEM files of the gateway; both or neither. Absent: a certificate of its own. */
  readonly pg_certificate: string | undefined;
  readonly pg_key: string | undefined;
  /** Whose Postgres connections may do without TLS: those of this machine, everybody's, nobody's. */
  readonly pg_plaintext: "loopback" | "allowed" | "refused";
  /** The program that pools connections; `off`: none; absent: the one in the system's usual places, where there is one. */
  readonly pgbouncer: string | undefined;
  /** Where the servers of other machines reach this one's computes; absent: only those of this machine do. */
  readonly node_address: NodeAddress | undefined;
  /** How many proxies stand in front and are believed about the client's address; 0: none. */
  readonly trust_proxy: number;
  readonly log_level: LogLevel;
  readonly sign_up: "open" | "invitation" | "closed";
  readonly smtp_url: string | undefined;
  readonly mail_from: string;
  /** 32 bytes, base64url; absent: made once and kept in the data directory. Nodes that share a database share it. */
  readonly secret_key: string | undefined;
  readonly metrics_token: string | undefined;
  /** What verified API keys may take in memory; 0: every request asks the database. */
  readonly key_cache_bytes: number;
  /** Where to hear of revocations at once: the database itself, nowhere, or a direct URL beside a pooler's. */
  readonly listen: "on" | "off" | { readonly url: string };
  /** Processes that serve requests; 1: the server itself, without others. */
  readonly workers: number;
  readonly rate_limits: RateLimits | undefined;
}

export interface PgDomain {
  readonly name: string;
  /** Port that clients use, where something in front leads it to ours; absent: `pg_port`. */
  readonly port: number | undefined;
}

export interface NodeAddress {
  /** As it is told to the others. */
  readonly text: string;
  readonly host: string;
  readonly port: number;
  readonly loopback: boolean;
}

/** Requests that one key, and one organization or person through all its keys, may make of one node. */
export interface RateLimits {
  readonly per_minute: number;
  /** Of each route. */
  readonly per_second: number;
  /** Keys that an organization may create. */
  readonly key_creations_per_second: number;
}

/** As Neon documents them: 700 a minute on average, bursts of 40 a second for each route. */
const NEON_RATE_LIMITS: RateLimits = { per_minute: 700, per_second: 40, key_creations_per_second: 10 };

interface Setting<T> {
  readonly key: keyof Config;
  readonly help: string;
  readonly secret?: boolean;
  /** Returns the value, or throws an Error whose message ends the sentence "NAME must be …". */
  readonly parse: (text: string | undefined) => T;
  /** How the value reads as text, where that is not plain. */
  readonly show?: (value: unknown) => string;
}

const must = (what: string): never => {
  throw new Error(`must be ${what}`);
};

const text = (fallback: string) => (value: string | undefined) => value ?? fallback;
const optional = (value: string | undefined) => value;
const file = (value: string | undefined) => (value === undefined ? undefined : resolve(value));

function integer(fallback: number, minimum: number, maximum: number) {
  return (value: string | undefined) => {
    if (value === undefined) return fallback;
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < minimum || number > maximum) {
      return must(`a whole number from ${minimum} to ${maximum}`);
    }
    return number;
  };
}

function oneOf<const V extends string>(values: readonly V[], fallback: V) {
  return (value: string | undefined): V => {
    if (value === undefined) return fallback;
    return values.find((candidate) => candidate === value) ?? must(`one of ${values.join(", ")}`);
  };
}

function url(protocols: string[], what: string) {
  return (value: string | undefined) => {
    if (value === undefined) return undefined;
    if (!URL.canParse(value) || !protocols.includes(new URL(value).protocol)) return must(what);
    return value;
  };
}

function bytes(fallback: number) {
  const units: Record<string, number> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };
  return (value: string | undefined) => {
    if (value === undefined) return fallback;
    const [, digits, unit = ""] = /^(\d{1,12})([kmg]?)$/i.exec(value) ?? [];
    const number = Number(digits) * (units[unit.toLowerCase()] ?? 1);
    return digits !== undefined && number <= 8 * 2 ** 30 ? number : must("a number of bytes such as 64m, up to 8g");
  };
}

function pgDomain(value: string | undefined): PgDomain | undefined {
  if (value === undefined) return undefined;
  const [, name = "", port] = /^([a-z0-9.-]+)(?::([1-9]\d{0,4}))?$/i.exec(value) ?? [];
  const labels = name.toLowerCase().split(".");
  // Short enough for the longest endpoint's name in front of it.
  const fits = name.length <= 180 && labels.every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label));
  if (!fits || Number(port ?? 1) > 65535) must("a domain such as db.example.com, or db.example.com:5432");
  return { name: labels.join("."), port: port === undefined ? undefined : Number(port) };
}

function nodeAddress(value: string | undefined): NodeAddress | undefined {
  if (value === undefined) return undefined;
  const [, host = "", port] = /^([a-z0-9.-]+|\[[0-9a-f:]+\]):([1-9]\d{0,4})$/i.exec(value) ?? [];
  if (port === undefined || Number(port) > 65535) return must("HOST:PORT such as 10.0.0.5:4433");
  const loopback = /^(127\.|localhost$|\[::1\]$)/.test(host);
  return { text: value, host: host.replace(/^\[|\]$/g, ""), port: Number(port), loopback };
}

function listen(value: string | undefined): Config["listen"] {
  if (value === undefined || value === "on") return "on";
  if (value === "off") return "off";
  const direct = url(["postgres:", "postgresql:"], "on, off or a postgresql:// URL")(value);
  return direct === undefined ? "on" : { url: direct };
}

function describePgDomain(domain: PgDomain | undefined): string {
  if (domain === undefined) return "";
  return domain.port === undefined ? domain.name : `${domain.name}:${domain.port}`;
}

function rateLimits(value: string | undefined): RateLimits | undefined {
  if (value === undefined || value === "off") return undefined;
  if (value === "neon") return NEON_RATE_LIMITS;
  const limits: Record<string, number> = { ...NEON_RATE_LIMITS };
  for (const part of value.split(",")) {
    const [, name = "", figure] = /^ *(\w+) *= *([1-9]\d{0,8}) *$/.exec(part) ?? [];
    if (!(name in limits)) must(`off, neon, or figures such as ${describeRateLimits(NEON_RATE_LIMITS)}`);
    limits[name] = Number(figure);
  }
  return limits as unknown as RateLimits;
}

function describeRateLimits(limits: RateLimits): string {
  return Object.entries(limits)
    .map(([name, figure]) => `${name}=${figure}`)
    .join(",");
}

const SETTINGS: Record<string, Setting<unknown>> = {
  LATCHKEY_HOST: { key: "host", help: "address to listen on (127.0.0.1)", parse: text("127.0.0.1") },
  LATCHKEY_PORT: { key: "port", help: "port to listen on (4400)", parse: integer(4400, 1, 65535) },
  LATCHKEY_DATA_DIR: {
    key: "data_dir",
    help: "where everything is kept (./data; as root below a private directory: /var/lib/latchkey)",
    parse: (value) => (value === undefined ? "" : resolve(value)),
  },
  LATCHKEY_PUBLIC_URL: {
    key: "public_url",
    help: "origin that people use (http://HOST:PORT)",
    parse: (value) => {
      const origin = url(["http:", "https:"], "an http or https origin such as https://keys.example.com")(value);
      if (origin === undefined) return "";
      const parsed = new URL(origin);
      if (parsed.pathname !== "/" || parsed.search || parsed.hash || parsed.username) must("an origin, without a path");
      return parsed.origin;
    },
  },
  DATABASE_URL: {
    key: "database_url",
    help: "PostgreSQL 15 or later for Latchkey's own data (absent: embedded)",
    secret: true,
    parse: url(["postgres:", "postgresql:"], "a postgresql:// URL"),
  },
  LATCHKEY_PG_BIN: { key: "pg_bin", help: "directory with initdb and postgres (absent: built in)", parse: optional },
  LATCHKEY_PG_PORT: {
    key: "pg_port",
    help: "port for Postgres clients that all computes share; 0: only ports of their own (4432)",
    parse: integer(4432, 0, 65535),
  },
  LATCHKEY_PG_DOMAIN: {
    key: "pg_domain",
    help: "domain whose subdomains all lead here: computes are <id>.DOMAIN; with :PORT where clients use another one (absent: 127.0.0.1 and a port for each)",
    parse: pgDomain,
    show: (value) => describePgDomain(value as PgDomain | undefined),
  },
  LATCHKEY_PG_CERTIFICATE: {
    key: "pg_certificate",
    help: "PEM file with the certificate for Postgres clients, its chain after it (absent: made once, kept in the data directory)",
    parse: file,
  },
  LATCHKEY_PG_KEY: { key: "pg_key", help: "PEM file with that certificate's private key", parse: file },
  LATCHKEY_PG_PLAINTEXT: {
    key: "pg_plaintext",
    help: "Postgres clients that may do without TLS: loopback, allowed, refused (loopback)",
    parse: oneOf(["loopback", "allowed", "refused"], "loopback"),
  },
  LATCHKEY_PGBOUNCER: {
    key: "pgbouncer",
    help: "PgBouncer 1.21 or later, for pooled connections; off: each has a session of its own (absent: the system's)",
    parse: (value) => (value === "off" ? value : file(value)),
  },
  LATCHKEY_NODE_ADDRESS: {
    key: "node_address",
    help: "HOST:PORT at which servers of other machines on the same DATABASE_URL reach this one; listens there (absent: those of this machine alone)",
    parse: nodeAddress,
    show: (value) => (value as NodeAddress | undefined)?.text ?? "",
  },
  LATCHKEY_TRUST_PROXY: {
    key: "trust_proxy",
    help: "how many proxies in front to believe (0)",
    parse: integer(0, 0, 16),
  },
  LATCHKEY_LOG_LEVEL: { key: "log_level", help: `${LOG_LEVELS.join(", ")} (info)`, parse: oneOf(LOG_LEVELS, "info") },
  LATCHKEY_SIGN_UP: {
    key: "sign_up",
    help: "who may sign up after the first person: open, invitation, closed (invitation)",
    parse: oneOf(["open", "invitation", "closed"], "invitation"),
  },
  LATCHKEY_SMTP_URL: {
    key: "smtp_url",
    help: "smtp:// or smtps:// server for mail (absent: links are shown to the inviter)",
    secret: true,
    parse: url(["smtp:", "smtps:"], "an smtp:// or smtps:// URL"),
  },
  LATCHKEY_MAIL_FROM: { key: "mail_from", help: "sender of mail", parse: text("Latchkey <latchkey@localhost>") },
  LATCHKEY_SECRET_KEY: {
    key: "secret_key",
    help: "32 random bytes in base64url (absent: made once, kept in the data directory)",
    secret: true,
    parse: (value) => {
      if (value !== undefined && !/^[A-Za-z0-9_-]{43}=?$/.test(value)) must("32 bytes in base64url (43 characters)");
      return value;
    },
  },
  LATCHKEY_METRICS_TOKEN: {
    key: "metrics_token",
    help: "bearer token that opens /metrics from elsewhere than this machine",
    secret: true,
    parse: (value) => (value !== undefined && value.length < 16 ? must("at least 16 characters") : value),
  },
  LATCHKEY_KEY_CACHE_BYTES: {
    key: "key_cache_bytes",
    help: "memory for verified API keys, for each process: 64m holds a million; 0: none (64m)",
    parse: bytes(64 * 2 ** 20),
  },
  LATCHKEY_LISTEN: {
    key: "listen",
    help: "hear of revocations at once: on, off (poll), or a direct postgresql:// URL where DATABASE_URL is a pooler (on)",
    parse: listen,
    show: (value) => (typeof value === "string" ? value : "[redacted]"),
  },
  LATCHKEY_WORKERS: { key: "workers", help: "processes that serve requests (1)", parse: integer(1, 1, 256) },
  LATCHKEY_RATE_LIMITS: {
    key: "rate_limits",
    help: "requests of one key or organization: off, neon, or figures of one's own (off)",
    parse: rateLimits,
    show: (value) => (value === undefined ? "off" : describeRateLimits(value as RateLimits)),
  },
};

/** Settings of the `latchkey` command, which may well stand in the environment of a server beside it. */
const OF_THE_CLI = new Set([
  "LATCHKEY_URL",
  "LATCHKEY_API_KEY",
  "LATCHKEY_PROFILE",
  "LATCHKEY_CONFIG_DIR",
  "LATCHKEY_KEYRING",
]);

/** Raised with every mistake found; the message is for a person at a terminal. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

export function parseConfig(
  environment: Readonly<Record<string, string | undefined>>,
  default_data_dir = resolve("data"),
): Config {
  const names = Object.keys(SETTINGS);
  const problems: string[] = [];
  for (const name of Object.keys(environment)) {
    if (name.startsWith("LATCHKEY_") && !(name in SETTINGS) && !OF_THE_CLI.has(name)) {
      problems.push(`${name} is not a setting; did you mean ${closest(name, names)}?`);
    }
  }
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(SETTINGS)) {
    const raw = environment[name]?.trim();
    try {
      values[setting.key] = setting.parse(raw === "" ? undefined : raw);
    } catch (error) {
      // The value itself is left out: it may be a secret with a typing error in it.
      problems.push(`${name} ${error instanceof Error ? error.message : "is not valid"}`);
    }
  }
  const config = values as unknown as Config;
  problems.push(...contradictions(config));
  if (problems.length > 0) throw new ConfigError(`configuration:\n  ${problems.join("\n  ")}`);
  const host = config.host.includes(":") ? `[${config.host}]` : config.host;
  return Object.freeze({
    ...config,
    data_dir: config.data_dir || default_data_dir,
    public_url: config.public_url || `http://${host}:${config.port}`,
  });
}

/** What each setting allows and two of them together do not. */
function contradictions({ pg_certificate, pg_key, pg_domain, pg_port, node_address, database_url }: Config): string[] {
  const found: string[] = [];
  if ((pg_certificate === undefined) !== (pg_key === undefined)) {
    found.push("LATCHKEY_PG_CERTIFICATE and LATCHKEY_PG_KEY must be set both, or neither");
  }
  if (pg_domain !== undefined && pg_port === 0) {
    found.push("LATCHKEY_PG_PORT must not be 0 with LATCHKEY_PG_DOMAIN, whose names all lead to that port");
  }
  if (node_address !== undefined && database_url === undefined) {
    found.push("LATCHKEY_NODE_ADDRESS needs a DATABASE_URL: nobody else is on the embedded database");
  }
  return found;
}

/** The configuration of this process. */
export function readConfig(default_data_dir?: string): Config {
  return parseConfig(process.env, default_data_dir);
}

/** The lines of `--print-config`: each setting, its value with secrets redacted, and what it is for. */
export function printConfig(config: Config): string {
  return Object.entries(SETTINGS)
    .map(([name, { key, help, secret, show }]) => {
      const value = config[key];
      const shown = show ? show(value) : value === undefined ? "" : secret ? "[redacted]" : String(value);
      return `${name}=${shown}  # ${help}`;
    })
    .join("\n");
}
