import { EventEmitter } from "node:events";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Account } from "../../../postgres/account.ts";
import type { Binaries } from "../../../postgres/binaries.ts";
import type { CertificateFiles } from "../../../postgres/certificate.ts";
import {
  adoptCluster,
  type Cluster,
  type ClusterConfig,
  findCluster,
  hasConfig,
  startCluster,
} from "../../../postgres/cluster.ts";
import { findPostmaster, type Postmaster, readVersion, SUPERUSER } from "../../../postgres/data-directory.ts";
import { PostgresError } from "../../../postgres/errors.ts";
import type { EventLog } from "../../../postgres/events.ts";
import { makePassage } from "../../../postgres/files.ts";
import type { PgBouncer } from "../../../postgres/pgbouncer.ts";
import { cpuSeconds } from "../../../postgres/process.ts";
import type { RunningCluster } from "../../../postgres/running-cluster.ts";
import { scramVerifier } from "../../../postgres/scram.ts";
import { parseLog, readLog, trimLog } from "../../../postgres/server-log.ts";
import type { Settings } from "../../../postgres/settings.ts";
import { removeSocketDirectory, socketDirectoryFor } from "../../../postgres/socket-directory.ts";
import {
  type AdminQuery,
  type ComputeAddress,
  type ComputeCapabilities,
  type ComputeDied,
  type ComputeDriver,
  type ComputeSpec,
  type ComputeStatus,
  type ComputeUsage,
  type ContentSpec,
  DriverError,
  type EnsuredCompute,
  type LogRecord,
  type PoolerLogin,
  type PresentContent,
} from "../../driver.ts";
import { MAINTENANCE_DATABASE } from "../../names.ts";
import type { Turns } from "../turns.ts";
import { type AdminAddress, asAdmin } from "./admin.ts";
import { readAssignment, writeAssignment } from "./assignment.ts";
import { readCapacity } from "./capacity.ts";
import { ALLOWED_SETTINGS, clusterConfig } from "./config.ts";
import { applyContent } from "./content.ts";
import { blameSettings, type Foresight, foresee, reservedFor } from "./foresee.ts";
import { dataOf, firstPasswordOf, folderOf, type Layout } from "./layout.ts";
import { endLeftPooler, isPoolable, Pooler, poolerDirectoryOf } from "./pooler.ts";
import { readContent } from "./read-content.ts";
import type { RightOfWay } from "./right-of-way.ts";
import { copySchema } from "./schema-copy.ts";
import { PG_DUMP_MAJOR, readSchema } from "./schema-dump.ts";

export interface LocalComputeOptions {
  readonly layout: Layout;
  readonly binaries: Binaries;
  readonly account: Account;
  readonly tls: CertificateFiles;
  /** What makes extensions available that PostgreSQL keeps for superusers. */
  readonly extensions: Settings;
  readonly turns: Turns;
  readonly right_of_way: RightOfWay;
  readonly log: EventLog;
  /** Absent: there are no poolers. */
  readonly pgbouncer: PgBouncer | undefined;
  readonly mayStart: () => Promise<boolean>;
  /** Whether the file system shares the blocks of branches. */
  readonly shares_blocks: boolean;
  /** Called at the end of a shutdown. */
  readonly release: () => Promise<void>;
}

interface Running {
  readonly cluster: RunningCluster;
  readonly spec: ComputeSpec;
}

/** A role that floods its log writes some hundred megabytes in a second, and no more than this long. */
const TRIM_EVERY_MS = 250;

/** Computes as PostgreSQL processes that outlive this one. */
export class LocalCompute implements ComputeDriver {
  readonly #options: LocalComputeOptions;
  /** What this instance has ensured; the truth about what runs is on the machine. */
  readonly #running = new Map<string, Running>();
  /** Those that were started, also where they have ended since; and in front of what. */
  readonly #poolers = new Map<string, { readonly pooler: Pooler; readonly cluster: RunningCluster }>();
  readonly #events = new EventEmitter<{ died: [ComputeDied] }>();
  readonly #capacity = readCapacity();
  readonly #trimming: NodeJS.Timeout;
  #trimmed: Promise<void> | undefined;
  #shutdown: Promise<void> | undefined;

  constructor(options: LocalComputeOptions) {
    this.#options = options;
    this.#events.setMaxListeners(0);
    this.#trimming = setInterval(() => void this.#trimLogs(), TRIM_EVERY_MS).unref();
  }

  capabilities(): ComputeCapabilities {
    const schema_dump = this.#options.binaries.major <= PG_DUMP_MAJOR;
    const pooling = this.#options.pgbouncer !== undefined;
    const can = { settings: ALLOWED_SETTINGS, unix_socket: true, tls: true, pooling, schema_dump } as const;
    return { driver: "local", ...can, capacity: this.#capacity, computes_per_branch: 1 };
  }

  async ensureRunning(endpoint_id: string, spec: ComputeSpec): Promise<EnsuredCompute> {
    const { binaries, tls, extensions, shares_blocks } = this.#options;
    const config = clusterConfig(endpoint_id, spec, { major: binaries.major, tls, extensions, shares_blocks });
    return this.#inTurn(endpoint_id, async () => {
      const assigned = readAssignment(this.#folder(endpoint_id));
      if (assigned !== undefined && assigned.branch_id !== spec.branch_id) await this.#stop(endpoint_id, "fast");
      const { turns, right_of_way } = this.#options;
      const ensure = () => this.#ensure(endpoint_id, spec, config);
      right_of_way.claim(spec.branch_id);
      return turns.take(`branch ${spec.branch_id}`, ensure).catch((error) => {
        throw blameSettings(error, spec);
      });
    });
  }

  async ensurePooler(endpoint_id: string, login: PoolerLogin): Promise<ComputeAddress | undefined> {
    const { pgbouncer } = this.#options;
    if (pgbouncer === undefined || !isPoolable(login)) return undefined;
    // Without a turn, since this is asked for each client.
    const present = this.#poolerOf(endpoint_id);
    if (present?.knows(login) === "yes") return present.address;
    return await this.#inTurn(endpoint_id, async () => {
      const pooler = this.#poolerOf(endpoint_id);
      const known = pooler?.knows(login);
      if (pooler && known === "no") await pooler.add(login);
      if (pooler && known !== "changed") return pooler.address;
      return await this.#startPooler(endpoint_id, pgbouncer, login);
    });
  }

  suspend(endpoint_id: string, mode: "fast" | "immediate"): Promise<void> {
    return this.#inTurn(endpoint_id, () => this.#stop(endpoint_id, mode));
  }

  apply(endpoint_id: string, content: ContentSpec): Promise<void> {
    return this.#inTurn(endpoint_id, () => applyContent(this.#adminAddress(endpoint_id), content));
  }

  async readContent(endpoint_id: string): Promise<PresentContent> {
    return await readContent(this.#adminAddress(endpoint_id));
  }

  async status(endpoint_id: string): Promise<ComputeStatus | undefined> {
    const assigned = readAssignment(this.#folder(endpoint_id));
    if (assigned === undefined) return undefined;
    const { branch_id, host, port } = assigned;
    const postmaster = this.#postmasterOf(endpoint_id, branch_id);
    if (postmaster === undefined) return { endpoint_id, branch_id, state: "stopped" };
    const address = { host, port, socket_directory: postmaster.socketDirectory };
    return { endpoint_id, branch_id, state: "running", address, pid: postmaster.pid };
  }

  async usage(endpoint_id: string): Promise<ComputeUsage | undefined> {
    const assigned = readAssignment(this.#folder(endpoint_id));
    const postmaster = assigned && this.#postmasterOf(endpoint_id, assigned.branch_id);
    const cpu_seconds = postmaster && cpuSeconds(postmaster.pid);
    return cpu_seconds === undefined
      ? undefined
      : { process: `${postmaster?.pid} ${postmaster?.started}`, cpu_seconds };
  }

  async list(): Promise<ComputeStatus[]> {
    const ids = await readdir(this.#options.layout.computes);
    const found = await Promise.all(ids.map((id) => this.status(id)));
    return found.filter((status) => status !== undefined);
  }

  watch(callback: (died: ComputeDied) => void): () => void {
    this.#events.on("died", callback);
    return () => this.#events.off("died", callback);
  }

  remove(endpoint_id: string): Promise<void> {
    return this.#inTurn(endpoint_id, async () => {
      await this.#stop(endpoint_id, "fast");
      await rm(this.#folder(endpoint_id), { recursive: true, force: true });
    });
  }

  async query(endpoint_id: string, query: AdminQuery): Promise<Record<string, unknown>[]> {
    const { database = MAINTENANCE_DATABASE, text, values = [] } = query;
    return asAdmin(this.#adminAddress(endpoint_id), database, async (session) => {
      const { rows } = await session.query<Record<string, unknown>>(text, [...values]);
      return rows;
    });
  }

  async readLog(endpoint_id: string): Promise<LogRecord[]> {
    return parseLog(await readLog(this.#logFile(endpoint_id)));
  }

  async readSchema(endpoint_id: string, database: string, format: "sql" | "json"): Promise<string> {
    return await readSchema(this.#adminAddress(endpoint_id), database, format);
  }

  async copySchema(endpoint_id: string, from_endpoint_id: string): Promise<void> {
    await copySchema(this.#adminAddress(endpoint_id), this.#adminAddress(from_endpoint_id));
  }

  /** Ends the poolers of a server that was killed; whoever was connected to them was so through that server. */
  async endLeftPoolers(): Promise<void> {
    const { layout, account } = this.#options;
    const ids = await readdir(layout.computes);
    await Promise.all(ids.map((id) => endLeftPooler(this.#poolerDirectory(id), account)));
  }

  shutdown(): Promise<void> {
    this.#shutdown ??= (async () => {
      await this.#options.turns.settled();
      clearInterval(this.#trimming);
      await this.#trimmed;
      // Those that this instance never ensured, too: a killed server may have left them.
      const ids = await readdir(this.#options.layout.computes);
      const work = (id: string) => this.#options.turns.take(`endpoint ${id}`, () => this.#stop(id, "fast"));
      const outcomes = await Promise.allSettled(ids.map(work));
      await this.#options.release();
      for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    })();
    return this.#shutdown;
  }

  /** For the storage side: the superuser's way to the compute that this instance runs on a branch. */
  adminOf(branch_id: string): AdminAddress | undefined {
    for (const [endpoint_id, { cluster, spec }] of this.#running) {
      if (spec.branch_id === branch_id && !cluster.ended) return this.#adminAddress(endpoint_id);
    }
    return undefined;
  }

  #inTurn<T>(endpoint_id: string, work: () => Promise<T>): Promise<T> {
    return this.#options.turns.take(`endpoint ${endpoint_id}`, async () => {
      if (this.#shutdown !== undefined) throw new DriverError("shut_down", "the driver is shut down");
      try {
        return await work();
      } catch (error) {
        throw translate(error);
      }
    });
  }

  async #ensure(endpoint_id: string, spec: ComputeSpec, config: ClusterConfig): Promise<EnsuredCompute> {
    const { layout, binaries, log } = this.#options;
    const branch = folderOf(layout.branches, spec.branch_id);
    const version = await readVersion(dataOf(branch));
    if (version === undefined) throw new DriverError("branch_missing", "there is no such branch");
    if (version !== binaries.major) {
      throw new DriverError("version_unavailable", `PostgreSQL ${version} is not installed here`);
    }
    const cluster = this.#clusterOf(endpoint_id, spec.branch_id);
    const found = findPostmaster(cluster.directory);
    if (found !== undefined && found.socketDirectory !== cluster.socketDirectory) {
      throw new DriverError("branch_in_use", "another compute runs on the branch");
    }
    await makePassage(this.#folder(endpoint_id), this.#options.account);
    const { branch_id, host = "127.0.0.1", port } = spec;
    let running = await this.#keep(endpoint_id, cluster, config, spec);
    const started = running === undefined;
    if (running === undefined) {
      // Before the start: a compute that runs must be found by its id, whenever we are killed. It need not
      // survive a loss of power, which computes do not survive either.
      await writeAssignment(this.#folder(endpoint_id), { branch_id, host, port });
      // As late as can be: nothing but the process itself comes after it.
      if (!(await this.#options.mayStart())) throw new DriverError("fenced", "this process may not start computes now");
      running = await startCluster(cluster, config);
      this.#supervise(endpoint_id, branch_id, running);
    }
    this.#running.set(endpoint_id, { cluster: running, spec });
    await this.#setFirstPassword(branch, endpoint_id);
    log.info("compute.running", { endpoint_id, branch_id, pid: running.pid, port });
    return { host, port, socket_directory: running.socketDirectory, started };
  }

  /** The server that runs already, unless it is not what is wanted now; then it is stopped, for one that can start. */
  async #keep(
    endpoint_id: string,
    cluster: Cluster,
    config: ClusterConfig,
    spec: ComputeSpec,
  ): Promise<RunningCluster | undefined> {
    const known = this.#running.get(endpoint_id)?.cluster;
    const running = known?.ended === false ? known : await adoptCluster(cluster);
    if (running === undefined) {
      // A start that takes all memory harms more than itself. Of others it is soon told why they fail.
      if (reservedFor(spec).length > 0 && !(await hasConfig(cluster, config))) {
        await foresee(cluster, config, spec, this.#foresight(endpoint_id));
      }
      return undefined;
    }
    if (await hasConfig(cluster, config)) {
      const assigned = readAssignment(this.#folder(endpoint_id));
      if (running !== known && assigned !== undefined) this.#supervise(endpoint_id, assigned.branch_id, running);
      return running;
    }
    await foresee(cluster, config, spec, this.#foresight(endpoint_id));
    await running.stop("fast");
    return undefined;
  }

  #foresight(endpoint_id: string): Foresight {
    const { layout, log } = this.#options;
    return { endpoint_id, work: layout.work, machine: this.#capacity, log };
  }

  /**
   * Replaces the template's admin password by the compute's own. Until then the superuser can be reached with
   * a password that every new branch shares, which is known to nobody but this process, and only through the
   * unix socket.
   */
  async #setFirstPassword(branch: string, endpoint_id: string): Promise<void> {
    const file = firstPasswordOf(branch);
    const first = await readFile(file, "utf8").catch(() => undefined);
    if (first === undefined) return;
    const own = this.#adminAddress(endpoint_id);
    const verifier = await scramVerifier(own.password);
    const set = { ...own, password: first };
    try {
      await asAdmin(set, MAINTENANCE_DATABASE, (session) =>
        session.query(`ALTER ROLE ${SUPERUSER} PASSWORD '${verifier}'`),
      );
    } catch (error) {
      // Set before, and the file was not yet deleted when we or the machine stopped; or this tells that it is neither.
      if (!(error instanceof DriverError && error.code === "password_refused")) throw error;
      await asAdmin(own, MAINTENANCE_DATABASE, (session) => session.query("SELECT"));
    }
    await rm(file);
  }

  #supervise(endpoint_id: string, branch_id: string, cluster: RunningCluster): void {
    void cluster.end.then(({ asked, reason }) => {
      if (this.#running.get(endpoint_id)?.cluster === cluster) this.#running.delete(endpoint_id);
      const front = this.#poolers.get(endpoint_id);
      // Its files wait for somebody's turn.
      if (front?.cluster === cluster) front.pooler.kill();
      if (asked) return;
      this.#options.log.warn("compute.died", { endpoint_id, branch_id, reason });
      this.#events.emit("died", { endpoint_id, branch_id, reason });
    });
  }

  async #stop(endpoint_id: string, mode: "fast" | "immediate"): Promise<void> {
    const known = this.#running.get(endpoint_id)?.cluster;
    const assigned = known === undefined ? readAssignment(this.#folder(endpoint_id)) : undefined;
    const cluster =
      assigned !== undefined && this.#postmasterOf(endpoint_id, assigned.branch_id) !== undefined
        ? findCluster(this.#clusterOf(endpoint_id, assigned.branch_id))
        : known;
    if (cluster !== undefined) await cluster.stop(mode);
    // A server that was killed in the middle of stopping this one has left the socket's directory.
    else await removeSocketDirectory(socketDirectoryFor(join(this.#folder(endpoint_id), "socket")));
    this.#running.delete(endpoint_id);
    // After it: by way of the pooler, clients at work are told why they are cut off.
    await this.#endPooler(endpoint_id);
  }

  /** One that is in front of the server that runs now. */
  #poolerOf(endpoint_id: string): Pooler | undefined {
    const front = this.#poolers.get(endpoint_id);
    const present = front?.cluster === this.#running.get(endpoint_id)?.cluster ? front?.pooler : undefined;
    return present?.ended === false ? present : undefined;
  }

  async #startPooler(endpoint_id: string, pgbouncer: PgBouncer, login: PoolerLogin): Promise<ComputeAddress> {
    const { account, log } = this.#options;
    await this.#endPooler(endpoint_id);
    const running = this.#running.get(endpoint_id);
    if (running === undefined) throw new DriverError("not_running", "the compute is not running");
    const { cluster, spec } = running;
    const pooler = await Pooler.start(
      { pgbouncer, account, log },
      {
        folder: this.#folder(endpoint_id),
        directory: this.#poolerDirectory(endpoint_id),
        compute: { host: spec.host ?? "127.0.0.1", port: cluster.port, socket_directory: cluster.socketDirectory },
        max_connections: spec.max_connections,
        login,
      },
    );
    this.#poolers.set(endpoint_id, { pooler, cluster });
    if (cluster.ended) pooler.kill();
    return pooler.address;
  }

  async #endPooler(endpoint_id: string): Promise<void> {
    const front = this.#poolers.get(endpoint_id);
    this.#poolers.delete(endpoint_id);
    await front?.pooler.end();
  }

  #poolerDirectory(endpoint_id: string): string {
    return poolerDirectoryOf(this.#folder(endpoint_id));
  }

  #adminAddress(endpoint_id: string): AdminAddress {
    const running = this.#running.get(endpoint_id);
    if (running === undefined || running.cluster.ended) {
      throw new DriverError("not_running", "the compute is not running");
    }
    const { cluster, spec } = running;
    const { major } = this.#options.binaries;
    return { socket_directory: cluster.socketDirectory, port: cluster.port, password: spec.admin_password, major };
  }

  /** The server of this compute. One on the same branch with another socket is another compute's. */
  #postmasterOf(endpoint_id: string, branch_id: string): Postmaster | undefined {
    const { directory, socketDirectory } = this.#clusterOf(endpoint_id, branch_id);
    const found = findPostmaster(directory);
    return found?.socketDirectory === socketDirectory ? found : undefined;
  }

  #clusterOf(endpoint_id: string, branch_id: string): Cluster {
    const { layout, binaries, account, log } = this.#options;
    const folder = this.#folder(endpoint_id);
    return {
      directory: dataOf(folderOf(layout.branches, branch_id)),
      logFile: this.#logFile(endpoint_id),
      socketDirectory: socketDirectoryFor(join(folder, "socket")),
      binaries,
      account,
      log,
    };
  }

  /** Keeps the logs short of what runs; those of others do not grow. */
  #trimLogs(): Promise<void> {
    const trimAll = async () => {
      // One that was removed meanwhile has no log any more.
      for (const id of this.#running.keys()) await trimLog(this.#logFile(id)).catch(() => {});
    };
    this.#trimmed ??= trimAll().finally(() => {
      this.#trimmed = undefined;
    });
    return this.#trimmed;
  }

  #logFile(endpoint_id: string): string {
    return join(this.#folder(endpoint_id), "postgres.log");
  }

  #folder(endpoint_id: string): string {
    return folderOf(this.#options.layout.computes, endpoint_id);
  }
}

/** Maps what the room of processes throws to what drivers promise. */
function translate(error: unknown): unknown {
  if (!(error instanceof PostgresError)) return error;
  switch (error.code) {
    case "port_taken":
      return new DriverError(error.code, error.message, { cause: error });
    case "setting_refused":
      return new DriverError(error.code, error.message, { cause: error, told: error.message });
    case "start_timeout":
      return new DriverError("still_starting", "the compute is not ready yet", { cause: error });
    case "start_failed":
      return new DriverError("start_failed", "the compute did not start", { cause: error });
    default:
      return error;
  }
}
