import cluster from "node:cluster";
import { systemClock as clock } from "./clock.ts";
import { type Config, ConfigError, printConfig, readConfig } from "./config.ts";
import { DataDirError } from "./data-dir.ts";
import { isDatabaseLost } from "./db/pool.ts";
import { CertificateError } from "./gateway/tls-identity.ts";
import { API_PREFIX } from "./http/app.ts";
import type { Secret } from "./keys/secret.ts";
import { createLog, describeError } from "./log.ts";
import { findDefaultDataDir } from "./open.ts";
import { NodeTaken } from "./placement/hold.ts";
import { PostgresError } from "./postgres/errors.ts";
import { Stack } from "./stack.ts";
import { startNode, startWorker } from "./start.ts";
import { version } from "./version.ts";
import { WorkerFailed } from "./workers.ts";

/** Where the computes are reached that are told by name. */
function postgresAddress({ host, pg_port, pg_domain }: Config): string {
  if (pg_domain) return `<compute>.${pg_domain.name}:${pg_domain.port ?? pg_port}`;
  return `${host.includes(":") ? `[${host}]` : host}:${pg_port}   (with options=endpoint=<compute>)`;
}

/** For people, on stdout; the log is on stderr. The setup link's token is in the fragment, which no server sees. */
function banner(config: Config, setup_token: Secret | undefined): string {
  const lines = [
    `Latchkey ${version} is ready.`,
    `  Console    ${config.public_url}`,
    `  API        ${config.public_url}${API_PREFIX}   (reference: ${config.public_url}/docs)`,
  ];
  if (config.pg_port !== 0) lines.push(`  Postgres   ${postgresAddress(config)}`);
  if (setup_token) {
    lines.push(
      `  Sign up    ${config.public_url}/setup#${setup_token.reveal()}`,
      "             This link works once: it makes the first person, who administers this instance.",
    );
  }
  return `${lines.join("\n")}\n`;
}

/** Mistakes of the person at the terminal are told in a sentence; only our own come with a stack. */
function explainFailure(error: unknown): string {
  const known = [ConfigError, DataDirError, NodeTaken, PostgresError, CertificateError, WorkerFailed];
  if (known.some((kind) => error instanceof kind)) return (error as Error).message;
  if (error instanceof Error && "code" in error) {
    if (error.code === "EADDRINUSE") {
      const port = "port" in error ? ` ${error.port}` : "";
      return `the port${port} is taken; stop what listens there, or set LATCHKEY_PORT (LATCHKEY_PG_PORT for Postgres)`;
    }
    if (error.code === "EACCES") return `${error.message}; choose another LATCHKEY_PORT or LATCHKEY_DATA_DIR`;
  }
  if (isDatabaseLost(error)) return `the database does not answer (${describeError(error)}); check DATABASE_URL`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

const USAGE = `npm start [-- OPTION]

  --print-config   show the configuration, secrets redacted, and end
  --version        show the version and end
  --help           show this
`;

/**
 * The server's process: reads the configuration, starts a node or one of its workers, and runs until it is asked to stop.
 * `start.ts` and `serve.ts` are the composition root: they wire every room to those it needs.
 */
async function main(args: readonly string[]): Promise<void> {
  const [option] = args;
  if (option === "--help") return print(USAGE);
  if (option === "--version") return print(`${version}\n`);
  if (option !== undefined && option !== "--print-config") {
    process.stderr.write(`unknown option ${option}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  const began_ms = clock.monotonic_ms();
  const started = new Stack();
  try {
    const config = readConfig(await findDefaultDataDir());
    if (option === "--print-config") return print(`${printConfig(config)}\n`);
    const log = createLog(config.log_level);
    // Asked to stop while starting, the start is finished first: half a start is what nothing can stop cleanly.
    const signal = nextSignal();
    if (cluster.isWorker) await startWorker(config, log, started, () => signal.end("the primary has ended"));
    else {
      const setup_token = await startNode(config, log, started, () => signal.end("another process has the node"));
      print(banner(config, setup_token));
    }
    log.event("server.ready", {
      console_url: config.public_url,
      ready_ms: Math.round(clock.monotonic_ms() - began_ms),
    });

    log.event("server.stopping", { signal: await signal.received });
    const stopping_ms = clock.monotonic_ms();
    const problems = await started.stop();
    if (problems.length > 0) throw new Error(`did not stop cleanly: ${problems.join("; ")}`);
    log.event("server.stopped", { took_ms: Math.round(clock.monotonic_ms() - stopping_ms) });
  } catch (error) {
    process.stderr.write(`latchkey: ${explainFailure(error)}\n`);
    await started.stop();
    process.exitCode = 1;
  } finally {
    // The channel to the primary would keep a worker from ending.
    if (process.connected) process.disconnect();
  }
}

/** Ctrl-C reaches the whole terminal group, and npm passes it on once more: the echo is not a second wish. */
const ECHO_MS = 1_000;
const STOP_DEADLINE_MS = 30_000;

/** Resolves with the first signal to stop. A second one, or a stop that takes too long, ends the process at once. */
function nextSignal(): { received: Promise<string>; end: (reason: string) => void } {
  let end = (_reason: string) => {};
  const received = new Promise<string>((resolve) => {
    end = resolve;
    let first_ms: number | undefined;
    const onSignal = (name: NodeJS.Signals) => {
      if (first_ms === undefined) {
        first_ms = clock.monotonic_ms();
        setTimeout(() => process.exit(1), STOP_DEADLINE_MS).unref();
        resolve(name);
      } else if (clock.monotonic_ms() - first_ms > ECHO_MS) {
        process.exit(130);
      }
    };
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, onSignal);
  });
  return { received, end: (reason) => end(reason) };
}

function print(text: string): void {
  process.stdout.write(text);
}

await main(process.argv.slice(2));
