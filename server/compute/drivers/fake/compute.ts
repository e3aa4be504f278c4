import { EventEmitter, once } from "node:events";
import { createServer, type Server } from "node:net";
import type { Clock } from "../../../clock.ts";
import type { ProcessIdentity } from "../../../postgres/process.ts";
import { isScramVerifier } from "../../../postgres/scram.ts";
import {
  type AdminQuery,
  type ComputeDied,
  type ComputeDriver,
  type ComputeSpec,
  type ComputeStatus,
  type ContentSpec,
  DriverError,
  type EnsuredCompute,
  type LogRecord,
  type PresentContent,
} from "../../driver.ts";
import { checkId, checkNames } from "../../names.ts";
import type { Turns } from "../turns.ts";
import { digestOf, type FakeBranch, type FakeCompute, runs, type Shelf } from "./state.ts";
import type { Switches } from "./switches.ts";

const SETTINGS: readonly string[] = ["work_mem", "statement_timeout"];
/** For 4 CU. */
const CAPACITY = { cpus: 8, memory_bytes: 16e9 };
/** Above every pid there can be: a test that takes it for one and sends a signal meets nobody. */
const FIRST_RUN = 10_000_000;
const FIRST_OID = 16_384;

export interface FakeComputeOptions {
  readonly branches: Shelf<FakeBranch>;
  readonly computes: Shelf<FakeCompute>;
  readonly socket_directory: string;
  readonly turns: Turns;
  readonly switches: Switches;
  readonly self: ProcessIdentity;
  readonly clock: Pick<Clock, "now_ms">;
  readonly mayStart: () => Promise<boolean>;
  readonly release: () => Promise<void>;
}

interface Running {
  readonly admin_digest: string;
  /** Keeps the port, and hangs up on whoever comes; absent where there is no TCP. */
  readonly server: Server | undefined;
}

/** Computes without PostgreSQL: they keep their ports and what they were told, and end with this process. */
export class FakeComputes implements ComputeDriver {
  readonly #options: FakeComputeOptions;
  readonly #running = new Map<string, Running>();
  readonly #events = new EventEmitter<{ died: [ComputeDied] }>();
  #runs = FIRST_RUN;
  #shutdown: Promise<void> | undefined;

  constructor(options: FakeComputeOptions) {
    this.#options = options;
  }

  capabilities() {
    const can = { settings: SETTINGS, unix_socket: false, tls: false, pooling: false, schema_dump: false } as const;
    return { driver: "fake", ...can, capacity: CAPACITY, computes_per_branch: 1 } as const;
  }

  async ensureRunning(endpoint_id: string, spec: ComputeSpec): Promise<EnsuredCompute> {
    for (const id of [endpoint_id, spec.branch_id]) checkId(id);
    for (const name of Object.keys(spec.settings ?? {})) {
      if (!SETTINGS.includes(name)) throw new DriverError("setting_refused", `${name} cannot be set`);
    }
    return await this.#inTurn("ensureRunning", endpoint_id, async () => {
      const present = await this.#options.computes.find(endpoint_id);
      if (present && present.branch_id !== spec.branch_id) await this.#stop(endpoint_id);
      return await this.#options.turns.take(`branch ${spec.branch_id}`, () => this.#ensure(endpoint_id, spec));
    });
  }

  async ensurePooler(): Promise<undefined> {}

  suspend(endpoint_id: string): Promise<void> {
    return this.#inTurn("suspend", endpoint_id, () => this.#stop(endpoint_id));
  }

  apply(endpoint_id: string, content: ContentSpec): Promise<void> {
    return this.#onBranch("apply", endpoint_id, async (branch_id, branch) => {
      checkNames(content);
      for (const { verifier } of content.roles) {
        if (verifier !== undefined && !isScramVerifier(verifier)) {
          throw new TypeError("a role's verifier must be one that scramVerifier makes");
        }
      }
      const { absent = {}, sole_passwords = false } = content;
      const roles = sole_passwords ? branch.roles.map(({ verifier: _, ...role }) => role) : branch.roles;
      await this.#options.branches.put(branch_id, {
        ...branch,
        roles: merge(roles, content.roles, absent.roles),
        databases: merge(branch.databases, content.databases, absent.databases).map(({ oid, name, owner = "" }) => {
          return { oid, name, owner };
        }),
      });
    });
  }

  async readContent(endpoint_id: string): Promise<PresentContent> {
    const [, { roles, databases }] = await this.#branchOf(endpoint_id);
    return {
      roles: roles.map(({ oid, name, login, verifier = null }) => ({ oid, name, login, verifier, expired: false })),
      databases,
      complete: true,
    };
  }

  async status(endpoint_id: string): Promise<ComputeStatus | undefined> {
    const found = await this.#options.computes.find(endpoint_id);
    if (!found) return undefined;
    const { branch_id, host, port, run } = found;
    if (!runs(found)) return { endpoint_id, branch_id, state: "stopped" };
    const { socket_directory } = this.#options;
    return { endpoint_id, branch_id, state: "running", address: { host, port, socket_directory }, pid: run };
  }

  async usage(): Promise<undefined> {
    return undefined;
  }

  async list(): Promise<ComputeStatus[]> {
    const ids = await this.#options.computes.ids();
    return (await Promise.all(ids.map((id) => this.status(id)))).filter((status) => status !== undefined);
  }

  watch(callback: (died: ComputeDied) => void): () => void {
    this.#events.on("died", callback);
    return () => this.#events.off("died", callback);
  }

  remove(endpoint_id: string): Promise<void> {
    return this.#inTurn("removeCompute", endpoint_id, async () => {
      await this.#stop(endpoint_id);
      await this.#options.computes.remove(endpoint_id);
    });
  }

  /** There is no SQL here; PostgreSQL's own code for a thing that is not there says so. */
  async query(endpoint_id: string, _query: AdminQuery): Promise<Record<string, unknown>[]> {
    await this.#branchOf(endpoint_id);
    throw Object.assign(new Error("the fake driver has no SQL"), { code: "0A000" });
  }

  /** It says that it has started, and nothing else. */
  async readLog(endpoint_id: string): Promise<LogRecord[]> {
    const found = await this.#options.computes.find(endpoint_id);
    if (!found) return [];
    const { started_at: timestamp, run: pid } = found;
    return [{ timestamp, pid, severity: "LOG", message: "the fake compute has started" }];
  }

  async readSchema(endpoint_id: string, database: string, format: "sql" | "json"): Promise<string> {
    const [, { databases }] = await this.#branchOf(endpoint_id);
    if (!databases.some(({ name }) => name === database)) {
      throw new DriverError("database_missing", "there is no such database");
    }
    if (format === "sql") throw new DriverError("dump_failed", "the fake driver has no SQL");
    return JSON.stringify({ tables: [] });
  }

  copySchema(endpoint_id: string, from_endpoint_id: string): Promise<void> {
    return this.#onBranch("copySchema", endpoint_id, async (branch_id, branch) => {
      const [, { roles, databases }] = await this.#branchOf(from_endpoint_id);
      await this.#options.branches.put(branch_id, { ...branch, roles, databases });
    });
  }

  shutdown(): Promise<void> {
    this.#shutdown ??= (async () => {
      await this.#options.turns.settled();
      for (const id of await this.#options.computes.ids()) await this.#stop(id);
      await this.#options.release();
    })();
    return this.#shutdown;
  }

  /** For tests: a compute ends as if it had crashed. */
  async crash(endpoint_id: string): Promise<void> {
    const found = await this.#options.computes.find(endpoint_id);
    if (!found || !runs(found)) throw new Error("the compute does not run");
    await this.#stop(endpoint_id);
    this.#events.emit("died", { endpoint_id, branch_id: found.branch_id, reason: "crashed by a test" });
  }

  #inTurn<T>(call: string, endpoint_id: string, work: () => Promise<T>): Promise<T> {
    return this.#options.turns.take(`endpoint ${endpoint_id}`, async () => {
      if (this.#shutdown !== undefined) throw new DriverError("shut_down", "the driver is shut down");
      await this.#options.switches.meet(call, endpoint_id);
      return await work();
    });
  }

  /** Changes what the branch of a running compute has. */
  #onBranch(
    call: string,
    endpoint_id: string,
    work: (branch_id: string, branch: FakeBranch) => Promise<void>,
  ): Promise<void> {
    return this.#inTurn(call, endpoint_id, async () => {
      const [branch_id] = await this.#branchOf(endpoint_id);
      await this.#options.turns.take(`branch ${branch_id}`, async () => {
        await work(...(await this.#branchOf(endpoint_id)));
      });
    });
  }

  async #ensure(endpoint_id: string, spec: ComputeSpec): Promise<EnsuredCompute> {
    const { branches, computes, socket_directory, mayStart, self } = this.#options;
    const { branch_id, port, host = "127.0.0.1", admin_password, ...rest } = spec;
    const branch = await branches.find(branch_id);
    if (!branch) throw new DriverError("branch_missing", "there is no such branch");
    for (const id of await computes.ids()) {
      const other = await computes.find(id);
      if (id !== endpoint_id && other?.branch_id === branch_id && runs(other)) {
        throw new DriverError("branch_in_use", "another compute runs on the branch");
      }
    }
    const admin_digest = digestOf(admin_password);
    const shape = JSON.stringify({ port, host, ...rest });
    const present = await computes.find(endpoint_id);
    const started = present === undefined || !runs(present) || present.shape !== shape;
    if (started) {
      await this.#stop(endpoint_id);
      if (!(await mayStart())) throw new DriverError("fenced", "this process may not start computes now");
      const server = spec.tcp === false ? undefined : await listen(host, port);
      this.#running.set(endpoint_id, { admin_digest, server });
      const started_at = new Date(this.#options.clock.now_ms()).toISOString();
      await computes.put(endpoint_id, { branch_id, host, port, shape, holder: self, run: ++this.#runs, started_at });
    } else {
      this.#running.set(endpoint_id, { server: undefined, ...this.#running.get(endpoint_id), admin_digest });
    }
    if (branch.admin_digest === undefined) await branches.put(branch_id, { ...branch, admin_digest });
    return { host, port, socket_directory, started };
  }

  async #stop(endpoint_id: string): Promise<void> {
    const { computes } = this.#options;
    const server = this.#running.get(endpoint_id)?.server;
    this.#running.delete(endpoint_id);
    if (server) await new Promise((resolve) => server.close(resolve));
    const found = await computes.find(endpoint_id);
    if (found?.holder) await computes.put(endpoint_id, { ...found, holder: undefined });
  }

  /** The branch that a running compute is on, for the superuser. */
  async #branchOf(endpoint_id: string): Promise<[branch_id: string, branch: FakeBranch]> {
    const { branches, computes } = this.#options;
    const [compute, running] = [await computes.find(endpoint_id), this.#running.get(endpoint_id)];
    const branch = compute && (await branches.find(compute.branch_id));
    if (!compute || !running || !branch) throw new DriverError("not_running", "the compute is not running");
    if (branch.admin_digest !== running.admin_digest) {
      throw new DriverError("password_refused", "the admin password is not the compute's");
    }
    return [compute.branch_id, branch];
  }
}

/** What is there, with what is wanted in its place or beside it, without what has gone. */
function merge<T extends { readonly name: string; readonly former_name?: string }>(
  present: readonly (T & { readonly oid: number })[],
  wanted: readonly T[],
  gone: readonly string[] = [],
) {
  const all = new Map(present.map((thing) => [thing.name, thing]));
  for (const thing of wanted) {
    const { name, former_name = name } = thing;
    const found = all.get(name) ?? all.get(former_name);
    all.delete(former_name);
    all.set(name, { ...found, ...thing, oid: found?.oid ?? nextOid(all.values()) });
  }
  for (const name of gone) all.delete(name);
  return [...all.values()];
}

const nextOid = (things: Iterable<{ readonly oid: number }>) =>
  Math.max(FIRST_OID, ...Array.from(things, (t) => t.oid)) + 1;

async function listen(host: string, port: number): Promise<Server> {
  const server = createServer((socket) => socket.destroy()).listen(port, host);
  try {
    await once(server, "listening");
    return server;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EADDRINUSE") throw cause;
    throw new DriverError("port_taken", `port ${port} is taken`, { cause });
  }
}
