import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { findAccount } from "../../server/postgres/account.ts";
import { locateBinaries } from "../../server/postgres/binaries.ts";
import { type Cluster, startCluster } from "../../server/postgres/cluster.ts";
import { initDataDirectory, SUPERUSER } from "../../server/postgres/data-directory.ts";
import { silent } from "../../server/postgres/events.ts";
import { makePassage } from "../../server/postgres/files.ts";
import type { RunningCluster } from "../../server/postgres/running-cluster.ts";
import type { Settings } from "../../server/postgres/settings.ts";
import { socketDirectoryFor } from "../../server/postgres/socket-directory.ts";
import { freePort } from "./server.ts";

/** A PostgreSQL of its own on a TCP port, as an operator's would be: for several servers on one database. */
export class ExternalDatabase {
  readonly port: number;
  readonly #cluster: Cluster;
  readonly #settings: Settings;
  readonly #directory: string;
  #running: RunningCluster | undefined;

  private constructor(port: number, cluster: Cluster, settings: Settings, directory: string) {
    this.port = port;
    this.#cluster = cluster;
    this.#settings = settings;
    this.#directory = directory;
  }

  static async make(settings: Settings = {}): Promise<ExternalDatabase> {
    const directory = await mkdtemp(join(tmpdir(), "latchkey-external-"));
    const account = findAccount();
    await makePassage(directory, account);
    const binaries = await locateBinaries({ dataDir: directory, account });
    const cluster: Cluster = {
      directory: join(directory, "room", "data"),
      logFile: join(directory, "postgres.log"),
      socketDirectory: socketDirectoryFor(join(directory, "room", "socket")),
      binaries,
      account,
      log: silent,
    };
    await initDataDirectory(cluster.directory, {
      binaries,
      account,
      statements: ["CREATE ROLE latchkey LOGIN SUPERUSER", "CREATE DATABASE latchkey OWNER latchkey"],
    });
    const database = new ExternalDatabase(await freePort(), cluster, settings, directory);
    await database.start();
    return database;
  }

  /** Without a password: it listens on this machine alone and lives as long as a test. */
  urlAt(port: number): string {
    return `postgresql://latchkey@127.0.0.1:${port}/latchkey`;
  }

  get url(): string {
    return this.urlAt(this.port);
  }

  get pid(): number {
    return this.#running?.pid ?? 0;
  }

  async start(): Promise<void> {
    this.#running = await startCluster(this.#cluster, {
      port: this.port,
      settings: {
        listen_addresses: "127.0.0.1",
        max_connections: 200,
        shared_buffers: "128MB",
        max_wal_size: "2GB",
        timezone: "GMT",
        ...this.#settings,
      },
      access: [`local all ${SUPERUSER} reject`, "host all all 127.0.0.1/32 trust"],
    });
  }

  async stop(): Promise<void> {
    await this.#running?.stop("fast");
  }

  async query<Row extends pg.QueryResultRow = Record<string, unknown>>(text: string, values: unknown[] = []) {
    const client = new pg.Client({ connectionString: this.url });
    await client.connect();
    try {
      return (await client.query<Row>(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  async close(): Promise<void> {
    await this.#running?.stop("immediate");
    await rm(this.#directory, { recursive: true, force: true });
  }
}
