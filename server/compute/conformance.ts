import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";
import { inspect } from "node:util";
import { scramVerifier } from "../postgres/scram.ts";
import {
  type ComputeAddress,
  type ComputeDied,
  type ComputeSpec,
  type CopyProgress,
  DriverError,
  type Drivers,
} from "./driver.ts";

/** What the suite needs beside the drivers. */
export interface Harness {
  readonly drivers: Drivers;
  /** Frees what the harness holds; the suite has shut the drivers down. */
  close(): Promise<void>;
  freePort(): Promise<number>;
  /** Listens on the port until the returned function is called. */
  occupyPort(port: number): Promise<() => Promise<void>>;
  /** Ends a compute as a crash would, behind the driver's back. */
  crash(endpoint_id: string): Promise<void>;
  /**
   * A verifier of the password, and a statement run with it over TCP as any client would, which rejects with
   * PostgreSQL's `code`. Absent where there is no real PostgreSQL.
   */
  readonly client?: {
    verifier(password: string): Promise<string>;
    query(address: ComputeAddress, login: Login, text: string): Promise<Record<string, unknown>[]>;
  };
}

export interface Login {
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

const isDriverError = (code: string) => (error: unknown) => error instanceof DriverError && error.code === code;

/**
 * Defines the tests that every driver passes. They share one pair of drivers, as one server would. `has_sql`: computes are
 * real PostgreSQL, the harness has a client, and what only SQL can show is tested, too.
 */
export function testDrivers(name: string, has_sql: boolean, open: () => Promise<Harness>): void {
  const sqlTest = has_sql ? test : () => {};
  describe(`drivers: ${name}`, () => {
    let harness: Harness;
    let made = 0;

    before(async () => {
      harness = await open();
    });
    after(async () => {
      await harness.drivers.compute.shutdown();
      await harness.close();
    });

    const version = () => {
      const [preferred] = harness.drivers.storage.capabilities().pg_versions;
      assert.ok(preferred !== undefined);
      return preferred;
    };

    async function makeSpec(branch_id: string): Promise<ComputeSpec> {
      const port = await harness.freePort();
      return { branch_id, port, max_connections: 20, admin_password: `admin-password-of-${branch_id}` };
    }

    async function makeBranch(t: TestContext) {
      const branch_id = `br-${name}-${++made}`;
      const endpoint_id = `ep-${name}-${made}`;
      const { storage, compute } = harness.drivers;
      await storage.createRoot(branch_id, { pg_version: version() });
      t.after(async () => {
        await compute.remove(endpoint_id);
        await storage.remove(branch_id);
      });
      return { storage, compute, branch_id, endpoint_id, spec: await makeSpec(branch_id) };
    }

    /** A running compute with a role and its database, both of the names given. */
    async function makeDatabase(t: TestContext, user = "owner", database = "shop") {
      const branch = await makeBranch(t);
      const { client } = harness;
      assert.ok(client);
      const address = await branch.compute.ensureRunning(branch.endpoint_id, branch.spec);
      const password = "p4ssword of the owner";
      const verifier = await client.verifier(password);
      const roles = [{ name: user, verifier, login: true }];
      const databases = [{ name: database, owner: user }];
      await branch.compute.apply(branch.endpoint_id, { roles, databases });
      const login = { user, password, database };
      const query = (text: string, as: Login = login) => client.query(address, as, text);
      return { ...branch, address, client, login, query, roles, databases };
    }

    /** Resolves when a session of the compute waits in pg_sleep. */
    async function untilAsleep(endpoint_id: string): Promise<void> {
      const text = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
      const deadline = performance.now() + 10_000;
      while ((await harness.drivers.compute.query(endpoint_id, { text })).length === 0) {
        assert.ok(performance.now() < deadline, "no session went to sleep");
      }
    }

    describe("storage", () => {
      test("making a branch twice is making it once", async (t) => {
        const { storage, branch_id } = await makeBranch(t);
        await storage.createRoot(branch_id, { pg_version: version() });
        assert.equal((await storage.list()).filter((id) => id === branch_id).length, 1);
      });

      test("a branch has a size and a version", async (t) => {
        const { storage, branch_id } = await makeBranch(t);
        const { logical_bytes, physical_bytes, pg_version } = await storage.stat(branch_id);
        assert.equal(pg_version, version());
        assert.ok(logical_bytes > 0 && physical_bytes > 0);
      });

      test("removing a branch leaves nothing, and removing it again is no error", async (t) => {
        const { storage, branch_id } = await makeBranch(t);
        await storage.remove(branch_id);
        await storage.remove(branch_id);
        assert.ok(!(await storage.list()).includes(branch_id));
        await assert.rejects(storage.stat(branch_id), isDriverError("branch_missing"));
      });

      test("a version that is not there is refused, and nothing is made", async () => {
        const { storage } = harness.drivers;
        const create = storage.createRoot("br-ancient", { pg_version: 9 });
        await assert.rejects(create, isDriverError("version_unavailable"));
        assert.ok(!(await storage.list()).includes("br-ancient"));
      });

      test("an id that could be a path is refused everywhere", async () => {
        const { storage, compute } = harness.drivers;
        for (const id of ["", "..", "../x", "a/b", ".hidden", "A", "a\0b", "x".repeat(64)]) {
          const refused = isDriverError("id_refused");
          await assert.rejects(storage.createRoot(id, { pg_version: version() }), refused);
          await assert.rejects(storage.stat(id), refused);
          await assert.rejects(storage.remove(id), refused);
          await assert.rejects(compute.status(id), refused);
          await assert.rejects(compute.remove(id), refused);
          await assert.rejects(compute.ensureRunning(id, await makeSpec("br-any")), refused);
          await assert.rejects(compute.ensureRunning("ep-any", await makeSpec(id)), refused);
        }
      });

      test("a branch of a branch says where it comes from, the same each time, and outlives it", async (t) => {
        const { storage, branch_id } = await makeBranch(t);
        const child = `${branch_id}-child`;
        t.after(() => storage.remove(child));
        const told: CopyProgress[] = [];
        const origin = await storage.branch(child, branch_id, {
          onProgress: async (progress) => void told.push(progress),
        });
        assert.equal(origin.from_branch_id, branch_id);
        if (storage.capabilities().branching === "shared") assert.deepEqual(told, []);
        else assert.ok((told.at(-1)?.copied_bytes ?? 0) > 0, "a copy tells how far it is");
        for (const { copied_bytes, total_bytes } of told) assert.ok(copied_bytes >= 0 && copied_bytes <= total_bytes);
        assert.ok(origin.lsn !== "" && Date.parse(origin.at) > 0 && origin.copied_bytes >= 0);
        assert.deepEqual(await storage.branch(child, branch_id), origin);
        await storage.remove(branch_id);
        assert.ok((await storage.list()).includes(child));
        assert.equal((await storage.stat(child)).pg_version, version());
      });

      test("a branch whose making is ended leaves nothing, and can be made afterwards", async (t) => {
        const { storage, branch_id } = await makeBranch(t);
        const child = `${branch_id}-child`;
        t.after(() => storage.remove(child));
        const ended = AbortSignal.abort();
        await assert.rejects(storage.branch(child, branch_id, { signal: ended }), isDriverError("aborted"));
        const ending = new AbortController();
        const onProgress = async () => ending.abort();
        const made = storage.branch(child, branch_id, { signal: ending.signal, onProgress });
        // Where it was faster, it is there.
        const outcome = await made.then(
          () => "made",
          (error: unknown) => {
            assert.ok(isDriverError("aborted")(error), String(error));
            return "aborted";
          },
        );
        assert.equal((await storage.list()).includes(child), outcome === "made");
        const { from_branch_id } = await storage.branch(child, branch_id, { signal: new AbortController().signal });
        assert.equal(from_branch_id, branch_id);
      });

      test("a branch of nothing is refused, and nothing is made", async () => {
        const { storage } = harness.drivers;
        await assert.rejects(storage.branch("br-orphan", "br-nowhere"), isDriverError("branch_missing"));
        await assert.rejects(storage.branch("br-orphan", "../x"), isDriverError("id_refused"));
        assert.ok(!(await storage.list()).includes("br-orphan"));
      });

      sqlTest("a branch of a running one has what is in it, runs beside it, and goes its own way", async (t) => {
        const { storage, compute, branch_id, spec, query, client, login } = await makeDatabase(t);
        await query("CREATE TABLE notes AS SELECT 'shared' AS text");
        const child = { branch_id: `${branch_id}-child`, endpoint_id: `ep-child-of-${branch_id}` };
        t.after(async () => {
          await compute.remove(child.endpoint_id);
          await storage.remove(child.branch_id);
        });
        await storage.branch(child.branch_id, branch_id);
        const { admin_password } = spec;
        const address = await compute.ensureRunning(child.endpoint_id, {
          ...(await makeSpec(child.branch_id)),
          admin_password,
        });
        const inChild = (text: string) => client.query(address, login, text);
        await inChild("INSERT INTO notes VALUES ('child')");
        await query("INSERT INTO notes VALUES ('parent')");
        assert.deepEqual(await inChild("SELECT text FROM notes ORDER BY 1"), [{ text: "child" }, { text: "shared" }]);
        assert.deepEqual(await query("SELECT text FROM notes ORDER BY 1"), [{ text: "parent" }, { text: "shared" }]);
      });

      test("ten branches made at once are ten branches", async (t) => {
        const made = await Promise.all(Array.from({ length: 10 }, () => makeBranch(t)));
        const listed = new Set(await harness.drivers.storage.list());
        for (const { branch_id } of made) assert.ok(listed.has(branch_id));
      });
    });

    describe("compute", () => {
      test("ensuring twice keeps the compute as it is", async (t) => {
        const { compute, endpoint_id, branch_id, spec } = await makeBranch(t);
        assert.equal(await compute.status(endpoint_id), undefined);
        const { started, ...address } = await compute.ensureRunning(endpoint_id, spec);
        assert.deepEqual([started, address.port], [true, spec.port]);
        const status = await compute.status(endpoint_id);
        assert.deepEqual({ ...status, pid: 0 }, { endpoint_id, branch_id, state: "running", address, pid: 0 });
        assert.deepEqual(await compute.ensureRunning(endpoint_id, spec), { ...address, started: false });
        assert.deepEqual(await compute.status(endpoint_id), status);
        assert.deepEqual(
          (await compute.list()).find((found) => found.endpoint_id === endpoint_id),
          status,
        );
      });

      test("ensuring at the same time from several callers starts one compute", async (t) => {
        const { compute, endpoint_id, spec } = await makeBranch(t);
        const ensure = () => compute.ensureRunning(endpoint_id, spec);
        const answers = await Promise.all([ensure(), ensure(), ensure()]);
        const [first] = answers;
        for (const { started: _, ...address } of answers) assert.partialDeepStrictEqual(first, address);
        assert.equal(answers.filter(({ started }) => started).length, 1);
      });

      test("another setting restarts the compute, and a setting that could run code is refused", async (t) => {
        const { compute, endpoint_id, spec } = await makeBranch(t);
        await compute.ensureRunning(endpoint_id, spec);
        const before = await compute.status(endpoint_id);
        const changed = await compute.ensureRunning(endpoint_id, { ...spec, settings: { work_mem: "2MB" } });
        assert.equal(changed.started, true);
        assert.notEqual((await compute.status(endpoint_id))?.pid, before?.pid);
        for (const name of ["archive_command", "shared_preload_libraries", "listen_addresses", "ssl_key_file", "x'"]) {
          const attempt = compute.ensureRunning(endpoint_id, { ...spec, settings: { [name]: "x" } });
          await assert.rejects(attempt, isDriverError("setting_refused"));
        }
      });

      sqlTest("a value that PostgreSQL refuses is told as such, and the next good spec starts", async (t) => {
        const { compute, endpoint_id, spec } = await makeBranch(t);
        const attempt = compute.ensureRunning(endpoint_id, { ...spec, settings: { work_mem: "plenty" } });
        await assert.rejects(attempt, isDriverError("setting_refused"));
        await compute.ensureRunning(endpoint_id, spec);
      });

      test("a suspended compute is stopped, suspending it again is no error, and it starts again", async (t) => {
        const { compute, endpoint_id, branch_id, spec } = await makeBranch(t);
        await compute.suspend(endpoint_id, "fast");
        await compute.ensureRunning(endpoint_id, spec);
        for (const mode of ["fast", "immediate"] as const) {
          await compute.suspend(endpoint_id, mode);
          await compute.suspend(endpoint_id, mode);
          assert.deepEqual(await compute.status(endpoint_id), { endpoint_id, branch_id, state: "stopped" });
          await compute.ensureRunning(endpoint_id, spec);
        }
      });

      test("a taken port is told, and another one works", async (t) => {
        const { compute, endpoint_id, spec } = await makeBranch(t);
        const release = await harness.occupyPort(spec.port);
        try {
          await assert.rejects(compute.ensureRunning(endpoint_id, spec), isDriverError("port_taken"));
        } finally {
          await release();
        }
        assert.notEqual((await compute.status(endpoint_id))?.state, "running");
        const port = await harness.freePort();
        assert.equal((await compute.ensureRunning(endpoint_id, { ...spec, port })).port, port);
      });

      test("a branch has one compute at a time and is not removed under it", async (t) => {
        const { storage, compute, endpoint_id, branch_id, spec } = await makeBranch(t);
        await compute.ensureRunning(endpoint_id, spec);
        const second = compute.ensureRunning("ep-second", await makeSpec(branch_id));
        await assert.rejects(second, isDriverError("branch_in_use"));
        await assert.rejects(storage.remove(branch_id), isDriverError("branch_in_use"));
        assert.equal((await compute.status(endpoint_id))?.state, "running");
        await compute.suspend(endpoint_id, "fast");
        await compute.ensureRunning("ep-second", spec);
        await compute.remove("ep-second");
      });

      test("a compute can move to another branch", async (t) => {
        const from = await makeBranch(t);
        const to = await makeBranch(t);
        await from.compute.ensureRunning(from.endpoint_id, from.spec);
        await from.compute.ensureRunning(from.endpoint_id, to.spec);
        assert.equal((await from.compute.status(from.endpoint_id))?.branch_id, to.branch_id);
        await from.storage.remove(from.branch_id);
        await from.compute.remove(from.endpoint_id);
      });

      test("a compute on no branch is refused and does not exist", async () => {
        const { compute } = harness.drivers;
        const attempt = compute.ensureRunning("ep-nowhere", await makeSpec("br-nowhere"));
        await assert.rejects(attempt, isDriverError("branch_missing"));
        assert.equal(await compute.status("ep-nowhere"), undefined);
      });

      test("a removed compute is forgotten and its branch stays", async (t) => {
        const { storage, compute, endpoint_id, branch_id, spec } = await makeBranch(t);
        await compute.ensureRunning(endpoint_id, spec);
        await compute.remove(endpoint_id);
        await compute.remove(endpoint_id);
        assert.equal(await compute.status(endpoint_id), undefined);
        assert.ok((await storage.list()).includes(branch_id));
      });

      test("a compute that dies is told once, one that is suspended is not", async (t) => {
        const { compute, endpoint_id, branch_id, spec } = await makeBranch(t);
        const died: ComputeDied[] = [];
        const heard = new Promise<void>((resolve) => {
          const stop = compute.watch((event) => {
            if (event.endpoint_id !== endpoint_id) return;
            died.push(event);
            resolve();
          });
          t.after(stop);
        });
        await compute.ensureRunning(endpoint_id, spec);
        await compute.suspend(endpoint_id, "fast");
        await compute.ensureRunning(endpoint_id, spec);
        await harness.crash(endpoint_id);
        await heard;
        assert.deepEqual([died.length, died[0]?.branch_id], [1, branch_id]);
        assert.equal((await compute.status(endpoint_id))?.state, "stopped");
        await compute.ensureRunning(endpoint_id, spec);
      });

      test("what needs a running compute says so", async (t) => {
        const { compute, endpoint_id, spec } = await makeBranch(t);
        const notRunning = isDriverError("not_running");
        await assert.rejects(compute.query(endpoint_id, { text: "SELECT 1" }), notRunning);
        await assert.rejects(compute.apply(endpoint_id, { roles: [], databases: [] }), notRunning);
        await compute.ensureRunning(endpoint_id, spec);
        await compute.suspend(endpoint_id, "fast");
        await assert.rejects(compute.query(endpoint_id, { text: "SELECT 1" }), notRunning);
      });

      test("a compute's log can be read while it runs and when it has stopped, and there is none of no compute", async (t) => {
        const { compute, endpoint_id, spec } = await makeBranch(t);
        assert.deepEqual(await compute.readLog(endpoint_id), []);
        await compute.ensureRunning(endpoint_id, spec);
        const running = await compute.readLog(endpoint_id);
        assert.ok(running.length > 0);
        for (const { timestamp, severity, message } of running) {
          assert.ok(Math.abs(Date.parse(timestamp) - Date.now()) < 600_000, timestamp);
          assert.ok(severity.length > 0 && message.length > 0);
        }
        await compute.suspend(endpoint_id, "fast");
        assert.ok((await compute.readLog(endpoint_id)).length >= running.length);
        assert.ok(!JSON.stringify(await compute.readLog(endpoint_id)).includes(spec.admin_password));
      });

      sqlTest("five computes run side by side, each with its own data", async (t) => {
        const databases = await Promise.all(Array.from({ length: 5 }, () => makeDatabase(t)));
        await Promise.all(
          databases.map(({ query, branch_id }) => query(`CREATE TABLE mine AS SELECT '${branch_id}' AS id`)),
        );
        for (const { query, branch_id } of databases) {
          assert.deepEqual(await query("SELECT id FROM mine"), [{ id: branch_id }]);
        }
      });
    });

    describe("content", () => {
      sqlTest("a role logs in with its password, with no other, and data survives a suspension", async (t) => {
        const { compute, endpoint_id, spec, query, login } = await makeDatabase(t);
        await query("CREATE TABLE kept AS SELECT 42 AS n");
        await assert.rejects(query("SELECT 1", { ...login, password: "guess" }), { code: "28P01" });
        await assert.rejects(query("SELECT 1", { ...login, user: "nobody" }), { code: "28P01" });
        await compute.suspend(endpoint_id, "fast");
        await compute.ensureRunning(endpoint_id, spec);
        assert.deepEqual(await query("SELECT n FROM kept"), [{ n: 42 }]);
      });

      sqlTest("applying twice changes nothing, and what people made with SQL stays", async (t) => {
        const { compute, endpoint_id, query, roles, databases } = await makeDatabase(t);
        await query("CREATE ROLE made_with_sql");
        await query("CREATE DATABASE made_with_sql");
        const look = "SELECT oid::text || rolpassword FROM pg_authid WHERE rolname = 'owner'";
        const before = await compute.query(endpoint_id, { text: look });
        await compute.apply(endpoint_id, { roles, databases });
        assert.deepEqual(await compute.query(endpoint_id, { text: look }), before);
        const text =
          "SELECT (SELECT count(*) FROM pg_roles WHERE rolname = $1) + (SELECT count(*) FROM pg_database WHERE datname = $1) AS n";
        assert.deepEqual(await compute.query(endpoint_id, { text, values: ["made_with_sql"] }), [{ n: "2" }]);
      });

      test("what is there is told, each thing as the same one whatever its name, and nothing of our own", async (t) => {
        const { compute, endpoint_id, spec } = await makeBranch(t);
        await compute.ensureRunning(endpoint_id, spec);
        assert.deepEqual(await compute.readContent(endpoint_id), { roles: [], databases: [], complete: true });
        const verifier = await scramVerifier("a password");
        const roles = [
          { name: "owner", login: true, verifier },
          { name: "group", login: false },
        ];
        await compute.apply(endpoint_id, { roles, databases: [{ name: "shop", owner: "owner" }] });
        const before = await compute.readContent(endpoint_id);
        assert.deepEqual(
          before.roles.map(({ oid: _, ...role }) => role),
          [
            { name: "owner", login: true, verifier, expired: false },
            { name: "group", login: false, verifier: null, expired: false },
          ],
        );
        assert.deepEqual(
          before.databases.map(({ oid: _, ...database }) => database),
          [{ name: "shop", owner: "owner" }],
        );
        assert.notEqual(before.roles[0]?.oid, before.roles[1]?.oid);
        // Of an owner that is not named there is no change.
        await compute.apply(endpoint_id, { roles: [], databases: [{ name: "store", former_name: "shop" }] });
        const after = await compute.readContent(endpoint_id);
        assert.deepEqual(after, { ...before, databases: [{ ...before.databases[0], name: "store" }] });
      });

      sqlTest("what people make is told too, until it is gone", async (t) => {
        const { compute, endpoint_id, query, login } = await makeDatabase(t);
        const names = async () => {
          const { roles, databases } = await compute.readContent(endpoint_id);
          return [roles.map(({ name }) => name).slice(1), databases.map(({ name }) => name).slice(1)];
        };
        await query("CREATE ROLE made LOGIN PASSWORD 'x' VALID UNTIL '2020-01-01'");
        await query("CREATE DATABASE made IS_TEMPLATE true");
        assert.deepEqual(await names(), [["made"], ["made"]]);
        const { roles } = await compute.readContent(endpoint_id);
        assert.ok(roles.find(({ name }) => name === "made")?.expired, "its password has run out");
        // A name of another encoding is bytes without a meaning, and what has none cannot be told.
        await query("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
        await query('CREATE ROLE "Ü"', { ...login, database: "latin" });
        assert.deepEqual(await names(), [["made"], ["made", "latin"]]);
        await compute.apply(endpoint_id, { roles: [], databases: [], absent: { databases: ["made", "latin"] } });
        await query("DROP ROLE made");
        assert.deepEqual(await names(), [[], []]);
      });

      sqlTest("a role that people made keeps its rights when it is given a password", async (t) => {
        const { client, compute, endpoint_id, query, login } = await makeDatabase(t);
        await query("CREATE ROLE modest NOLOGIN");
        const verifier = await client.verifier("another password");
        await compute.apply(endpoint_id, { roles: [{ name: "modest", login: true, verifier }], databases: [] });
        const text =
          "SELECT rolcreatedb, rolcreaterole, rolbypassrls, pg_has_role('neon_superuser', 'member') AS grouped FROM pg_roles WHERE rolname = current_user";
        assert.deepEqual(await query(text, { ...login, user: "modest", password: "another password" }), [
          { rolcreatedb: false, rolcreaterole: false, rolbypassrls: false, grouped: false },
        ]);
      });

      test("passwords that are not named are forgotten where the named ones are to be the only ones", async (t) => {
        const { compute, endpoint_id, spec } = await makeBranch(t);
        await compute.ensureRunning(endpoint_id, spec);
        const [old, other] = [await scramVerifier("a password"), await scramVerifier("another password")];
        const roleOf = (name: string, verifier: string) => ({ name, login: true, verifier });
        await compute.apply(endpoint_id, { roles: [roleOf("kept", old), roleOf("left", old)], databases: [] });
        const passwords = async () =>
          Object.fromEntries(
            (await compute.readContent(endpoint_id)).roles.map(({ name, login, verifier }) => [
              name,
              login && verifier,
            ]),
          );
        await compute.apply(endpoint_id, { roles: [roleOf("kept", other)], databases: [] });
        assert.deepEqual(await passwords(), { kept: other, left: old });
        await compute.apply(endpoint_id, { roles: [roleOf("kept", old)], databases: [], sole_passwords: true });
        assert.deepEqual(await passwords(), { kept: old, left: null });
        await compute.apply(endpoint_id, { roles: [], databases: [], sole_passwords: true });
        assert.deepEqual(await passwords(), { kept: null, left: null });
        // The one of the superuser, which is ours, stays.
        await compute.suspend(endpoint_id, "fast");
        await compute.ensureRunning(endpoint_id, spec);
        assert.deepEqual(await passwords(), { kept: null, left: null });
      });

      sqlTest("a forgotten password lets nobody in, whatever the name of its role", async (t) => {
        const { compute, endpoint_id, query, login, roles } = await makeDatabase(t);
        await query("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
        await query(`CREATE ROLE "Ü" LOGIN PASSWORD 'x'`, { ...login, database: "latin" });
        await query(`CREATE ROLE "current_user" LOGIN PASSWORD 'x'; CREATE ROLE "asleep" PASSWORD 'x'`);
        const left = {
          text: "SELECT count(*)::int AS n FROM pg_authid WHERE rolpassword IS NOT NULL AND NOT rolsuper",
        };
        assert.deepEqual(await compute.query(endpoint_id, left), [{ n: 4 }]);
        await query("SELECT 1", { ...login, user: "current_user", password: "x" });
        await compute.apply(endpoint_id, { roles, databases: [], sole_passwords: true });
        assert.deepEqual(await compute.query(endpoint_id, left), [{ n: 1 }]);
        await query("SELECT 1");
        await assert.rejects(query("SELECT 1", { ...login, user: "current_user", password: "x" }), { code: "28P01" });
      });

      sqlTest("several databases are made at once, each with its owner and open to the group", async (t) => {
        const { compute, endpoint_id, query, roles } = await makeDatabase(t);
        const databases = ["one", "two", "three"].map((name) => ({ name, owner: "owner" }));
        await compute.apply(endpoint_id, { roles, databases });
        const text = `SELECT datname::text AS name, pg_get_userbyid(datdba)::text AS owner, datallowconn AS open,
          has_database_privilege('neon_superuser', oid, 'CREATE') AS granted FROM pg_database
          WHERE datname IN ('one', 'two', 'three') ORDER BY oid`;
        assert.deepEqual(
          (await query(text)).map((row) => ({ ...row })),
          databases.map((database) => ({ ...database, open: true, granted: true })),
        );
      });

      sqlTest("a new verifier replaces the password, and a role without login is shut out", async (t) => {
        const { client, compute, endpoint_id, query, login, databases } = await makeDatabase(t);
        const verifier = await client.verifier("another password");
        await compute.apply(endpoint_id, { roles: [{ name: "owner", verifier, login: true }], databases });
        await assert.rejects(query("SELECT 1"), { code: "28P01" });
        await query("SELECT 1", { ...login, password: "another password" });
        await compute.apply(endpoint_id, { roles: [{ name: "owner", verifier, login: false }], databases });
        await assert.rejects(query("SELECT 1", { ...login, password: "another password" }), { code: "28000" });
      });

      sqlTest("a database is renamed under the eyes of its sessions, once", async (t) => {
        const { client, compute, address, endpoint_id, query, login, roles } = await makeDatabase(t);
        await query("CREATE TABLE kept AS SELECT 42 AS n");
        const session = assert.rejects(query("SELECT pg_sleep(60)"), { code: "57P01" });
        await untilAsleep(endpoint_id);
        const databases = [{ name: "store", former_name: "shop", owner: "owner" }];
        await compute.apply(endpoint_id, { roles, databases });
        await session;
        await compute.apply(endpoint_id, { roles, databases });
        const inStore = client.query(address, { ...login, database: "store" }, "SELECT n FROM kept");
        assert.deepEqual(await inStore, [{ n: 42 }]);
        await assert.rejects(query("SELECT 1"), { code: "3D000" });
      });

      sqlTest("a database changes its owner", async (t) => {
        const { compute, endpoint_id, query, roles } = await makeDatabase(t);
        const [role] = roles;
        assert.ok(role);
        const both = [role, { ...role, name: "second" }];
        await compute.apply(endpoint_id, { roles: both, databases: [{ name: "shop", owner: "second" }] });
        const text = "SELECT pg_get_userbyid(datdba) AS owner FROM pg_database WHERE datname = current_database()";
        assert.deepEqual(await query(text), [{ owner: "second" }]);
      });

      for (const hostile of [
        `o'"; DROP ROLE x; --`,
        "Ünïcode 日本",
        "  spaces ",
        "select",
        "a".repeat(63),
        "%s$1\\",
        "\n",
      ]) {
        sqlTest(`a name is only a name: ${JSON.stringify(hostile)}`, async (t) => {
          const { compute, endpoint_id, query, roles, databases } = await makeDatabase(t, hostile, hostile);
          const found = await query("SELECT current_user::text AS role, current_database()::text AS database");
          assert.deepEqual(found, [{ role: hostile, database: hostile }]);
          await compute.apply(endpoint_id, { roles, databases });
          await compute.apply(endpoint_id, {
            roles: [],
            databases: [],
            absent: { roles: [hostile], databases: [hostile] },
          });
          const text = "SELECT FROM pg_roles WHERE rolname = $1 UNION ALL SELECT FROM pg_database WHERE datname = $1";
          assert.deepEqual(await compute.query(endpoint_id, { text, values: [hostile] }), []);
        });
      }

      test("names that are reserved or that PostgreSQL would cut are refused", async (t) => {
        const { compute, endpoint_id, spec } = await makeBranch(t);
        await compute.ensureRunning(endpoint_id, spec);
        const refused = isDriverError("name_refused");
        for (const name of [
          "",
          "latchkey_admin",
          "neon_superuser",
          "pg_monitor",
          "public",
          "none",
          "é".repeat(32),
          "a\0",
          "\ud800",
        ]) {
          const roles = [{ name, login: true }];
          await assert.rejects(compute.apply(endpoint_id, { roles, databases: [] }), refused, JSON.stringify(name));
          await assert.rejects(
            compute.apply(endpoint_id, { roles: [], databases: [], absent: { roles: [name] } }),
            refused,
          );
        }
        for (const name of ["", "postgres", "template0", "template1", "é".repeat(32)]) {
          const databases = [{ name, owner: "x" }];
          await assert.rejects(compute.apply(endpoint_id, { roles: [], databases }), refused);
          await assert.rejects(
            compute.apply(endpoint_id, { roles: [], databases: [], absent: { databases: [name] } }),
            refused,
          );
        }
      });

      test("a plain password in place of a verifier is refused, not stored", async (t) => {
        const { compute, endpoint_id, spec } = await makeBranch(t);
        await compute.ensureRunning(endpoint_id, spec);
        const roles = [{ name: "owner", verifier: "plain", login: true }];
        await assert.rejects(compute.apply(endpoint_id, { roles, databases: [] }), (error) => {
          return error instanceof TypeError && !error.message.includes("plain");
        });
      });

      sqlTest("an absent role loses its sessions and leaves its things to the database's owner", async (t) => {
        const { compute, endpoint_id, query, login, roles, databases } = await makeDatabase(t);
        const [role] = roles;
        assert.ok(role);
        await compute.apply(endpoint_id, { roles: [...roles, { ...role, name: "leaver" }], databases });
        const leaver = { ...login, user: "leaver" };
        await query("GRANT CREATE ON SCHEMA public TO leaver");
        await query("CREATE TABLE legacy AS SELECT 1 AS n", leaver);
        await query("CREATE DATABASE theirs", leaver);
        await query("CREATE SCHEMA own", { ...leaver, database: "theirs" });
        const session = assert.rejects(query("SELECT pg_sleep(60)", leaver), { code: "57P01" });
        await untilAsleep(endpoint_id);
        await compute.apply(endpoint_id, { roles, databases, absent: { roles: ["leaver", "never_was"] } });
        await session;
        assert.deepEqual(await query("SELECT tableowner FROM pg_tables WHERE tablename = 'legacy'"), [
          { tableowner: "owner" },
        ]);
        assert.deepEqual(await query("SELECT FROM pg_roles WHERE rolname = 'leaver'"), []);
      });

      sqlTest("an absent database goes, with the sessions in it", async (t) => {
        const { compute, endpoint_id, query, roles } = await makeDatabase(t);
        const session = assert.rejects(query("SELECT pg_sleep(60)"), { code: "57P01" });
        await untilAsleep(endpoint_id);
        await compute.apply(endpoint_id, { roles, databases: [], absent: { databases: ["shop", "never_was"] } });
        await session;
        await assert.rejects(query("SELECT 1"), { code: "3D000" });
      });

      sqlTest("no error of a driver repeats a password or a verifier", async (t) => {
        const { client, compute, endpoint_id, spec } = await makeDatabase(t);
        const verifier = await client.verifier("a password");
        const attempts = [
          compute.apply(endpoint_id, {
            roles: [{ name: "owner", verifier, login: true }],
            databases: [{ name: "x", owner: "missing" }],
          }),
          compute.query(endpoint_id, { text: "SELECT broken" }),
          compute.ensureRunning(endpoint_id, { ...spec, settings: { work_mem: "x" } }),
        ];
        for (const outcome of await Promise.allSettled(attempts)) {
          assert.equal(outcome.status, "rejected");
          const shown = inspect(outcome.reason, { depth: 10 });
          for (const secret of [verifier, spec.admin_password, "a password"]) assert.ok(!shown.includes(secret));
        }
      });
    });
  });
}
