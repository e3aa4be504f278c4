import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import pg from "pg";
import { systemClock } from "../../../clock.ts";
import { runCommand } from "../../../postgres/command.ts";
import { SUPERUSER } from "../../../postgres/data-directory.ts";
import { scramVerifier } from "../../../postgres/scram.ts";
import { environmentOf, freePort, makePlace, newPassword, type Place, withSession } from "../../../postgres/testing.ts";
import type { ComputeAddress, ComputeSpec, Drivers } from "../../driver.ts";
import { openLocalDriver } from "./driver.ts";
import { OPENED_EXTENSIONS } from "./extensions.ts";

/** What a stranger with a project cannot do. All projects run as one operating system account. */

const cleanUps: (() => unknown)[] = [];
const password = newPassword();
const admin_password = newPassword();
let place: Place;
let drivers: Drivers;
let address: ComputeAddress;
let spec: ComputeSpec;

before(async () => {
  place = await makePlace({ after: (work) => cleanUps.push(work as () => unknown) });
  drivers = await openLocalDriver({ ...place, clock: systemClock, spares: 0 });
  await drivers.storage.createRoot("br-a", { pg_version: place.binaries.major });
  spec = { branch_id: "br-a", port: await freePort(), max_connections: 20, admin_password };
  address = await drivers.compute.ensureRunning("ep-a", spec);
  const roles = [{ name: "owner", verifier: await scramVerifier(password), login: true }];
  await drivers.compute.apply("ep-a", { roles, databases: [{ name: "shop", owner: "owner" }] });
});
after(async () => {
  await drivers?.compute.shutdown();
  for (const cleanUp of cleanUps) await cleanUp();
});

const login = (changes: pg.ClientConfig = {}): pg.ClientConfig => ({
  host: address.host,
  port: address.port,
  user: "owner",
  password,
  database: "shop",
  ...changes,
});

const superuserLogin = () =>
  login({ host: address.socket_directory, user: SUPERUSER, password: admin_password, database: "postgres" });

const FORBIDDEN: readonly [what: string, statement: string, code: string][] = [
  ["become the superuser", `SET ROLE ${SUPERUSER}`, "42501"],
  ["become the superuser for good", `SET SESSION AUTHORIZATION ${SUPERUSER}`, "42501"],
  ["set the superuser's password", `ALTER ROLE ${SUPERUSER} PASSWORD 'x'`, "42501"],
  ["give the superuser settings", `ALTER ROLE ${SUPERUSER} SET search_path = public`, "42501"],
  ["drop the superuser", `DROP ROLE ${SUPERUSER}`, "42501"],
  ["be granted the superuser", `GRANT ${SUPERUSER} TO owner`, "42501"],
  ["make itself superuser", "ALTER ROLE owner SUPERUSER", "42501"],
  ["make itself able to replicate", "ALTER ROLE owner REPLICATION", "42501"],
  ["make a superuser", "CREATE ROLE evil SUPERUSER", "42501"],
  ["make a replicating role", "CREATE ROLE evil REPLICATION", "42501"],
  ["write the table of roles", "UPDATE pg_authid SET rolsuper = true", "42501"],
  ["be granted programs", "GRANT pg_execute_server_program TO owner", "42501"],
  ["be granted reading files", "GRANT pg_read_server_files TO owner", "42501"],
  ["be granted writing files", "GRANT pg_write_server_files TO owner", "42501"],
  ["make a role with programs", "CREATE ROLE evil IN ROLE pg_execute_server_program", "42501"],
  ["run a program", "COPY (SELECT 1) TO PROGRAM 'id'", "42501"],
  ["read what a program prints", "CREATE TEMP TABLE c (t text); COPY c FROM PROGRAM 'id'", "42501"],
  ["read a file", "CREATE TEMP TABLE c (t text); COPY c FROM '/etc/passwd'", "42501"],
  ["write a file", "COPY (SELECT 1) TO '/tmp/latchkey-breach'", "42501"],
  ["read a file by function", "SELECT pg_read_file('/etc/passwd')", "42501"],
  ["read a binary file by function", "SELECT pg_read_binary_file('postmaster.pid')", "42501"],
  ["list a directory", "SELECT pg_ls_dir('/')", "42501"],
  ["look at a file", "SELECT pg_stat_file('/etc/passwd')", "42501"],
  ["import a file", "SELECT lo_import('/etc/passwd')", "42501"],
  ["export a file", "SELECT lo_export(1, '/tmp/latchkey-breach')", "42501"],
  ["load a library", "LOAD '/tmp/evil.so'", "42501"],
  ["define a C function", "CREATE FUNCTION evil() RETURNS int LANGUAGE c AS '/tmp/evil.so', 'evil'", "42501"],
  ["preload libraries", "SET session_preload_libraries = '/tmp/evil.so'", "42501"],
  ["preload libraries in a database", "ALTER DATABASE shop SET session_preload_libraries = 'x'", "42501"],
  ["point at libraries", "ALTER DATABASE shop SET dynamic_library_path = '/tmp'", "42501"],
  ["write the configuration", "ALTER SYSTEM SET archive_command = 'id'", "42501"],
  ["reload the configuration", "SELECT pg_reload_conf()", "42501"],
  ["install an extension that opens files", "CREATE EXTENSION file_fdw", "42501"],
  ["install an extension that opens connections", "CREATE EXTENSION dblink", "42501"],
  ["subscribe to elsewhere", "CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p WITH (connect = false)", "42501"],
  ["make a tablespace", "CREATE TABLESPACE t LOCATION '/tmp'", "42501"],
  [
    "make a logical slot, which loads a library",
    "SELECT pg_create_logical_replication_slot('s', '/tmp/evil')",
    "42501",
  ],
  ["make a physical slot", "SELECT pg_create_physical_replication_slot('s')", "42501"],
  [
    "make an event trigger, which the superuser would run",
    "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()",
    "",
  ],
  [
    "hand a function to the superuser",
    `CREATE FUNCTION f() RETURNS int RETURN 1; ALTER FUNCTION f() OWNER TO ${SUPERUSER}`,
    "42501",
  ],
  [
    "end the superuser's sessions",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'latchkey_admin'",
    "42501",
  ],
];

test("neither a project's role nor the group it is in can…", async (t) => {
  // Held open, so that there is a session of the superuser to end.
  const held = new pg.Client(superuserLogin());
  await held.connect();
  t.after(() => held.end());
  for (const [what, statement, code] of FORBIDDEN) {
    for (const become of ["SELECT", "SET ROLE neon_superuser"]) {
      await t.test(`${what}${become === "SELECT" ? "" : ", as the group"}`, async () => {
        await withSession(login(), async (session) => {
          await session.query(become);
          await assert.rejects(session.query(statement), (error: pg.DatabaseError) => {
            assert.ok(error instanceof pg.DatabaseError);
            assert.equal(code === "" ? "" : error.code, code, error.message);
            return true;
          });
        });
      });
    }
  }
});

test("the superuser is refused over TCP even with its password, with and without TLS", async () => {
  for (const ssl of [false, { rejectUnauthorized: false }]) {
    for (const database of ["shop", "postgres"]) {
      const attempt = withSession(login({ user: SUPERUSER, password: admin_password, database, ssl }), async () => {});
      await assert.rejects(attempt, { code: "28000" });
    }
  }
  assert.deepEqual(await drivers.compute.query("ep-a", { text: "SELECT current_user::text AS name" }), [
    { name: SUPERUSER },
  ]);
});

test("the password that new branches share no longer opens a branch that was started", async () => {
  const [template] = (await runCommand("ls", [join(place.dataDir, "local", "templates")])).trim().split("\n");
  const file = join(place.dataDir, "local", "templates", template ?? "", "first-password");
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const shared = await readFile(file, "utf8");
  const config = { ...login({ user: SUPERUSER, database: "postgres" }), host: address.socket_directory };
  await assert.rejects(
    withSession({ ...config, password: shared }, async () => {}),
    { code: "28P01" },
  );
  await withSession({ ...config, password: admin_password }, async () => {});
  if (!place.account.is_self) await assert.rejects(runCommand("cat", [file], { account: place.account }));
});

test("nobody can stream a copy of the files", async () => {
  for (const replication of ["true", "database"]) {
    const attempt = withSession({ ...login(), replication } as pg.ClientConfig, (session) =>
      session.query("IDENTIFY_SYSTEM"),
    );
    await assert.rejects(attempt, (error: pg.DatabaseError) => ["28000", "42501"].includes(error.code ?? ""));
  }
});

test("the databases that are not the project's are closed or cannot be written", async () => {
  for (const database of ["template0", "template1"]) {
    await assert.rejects(
      withSession(login({ database }), async () => {}),
      (error: pg.DatabaseError) => {
        return ["42501", "55000"].includes(error.code ?? "");
      },
    );
  }
  await withSession(login({ database: "postgres" }), async (session) => {
    for (const statement of ["CREATE TABLE public.t ()", "CREATE SCHEMA s", "CREATE EXTENSION pg_trgm"]) {
      await assert.rejects(session.query(statement), { code: "42501" });
    }
  });
});

test("what the owner of a database sets for it does not reach the superuser's sessions", async () => {
  await withSession(login(), async (session) => {
    await session.query("CREATE SCHEMA evil");
    await session.query("CREATE FUNCTION evil.now() RETURNS timestamptz RETURN timestamptz '1970-01-01'");
    for (const setting of ["search_path = evil, pg_catalog", "role = owner", "default_transaction_read_only = on"]) {
      await session.query(`ALTER DATABASE shop SET ${setting}`);
    }
  });
  const text = "SELECT current_setting('search_path') AS path, current_user::text AS name, now() > '2000-01-01' AS own";
  const rows = await drivers.compute.query("ep-a", { database: "shop", text });
  assert.deepEqual(rows, [{ path: "pg_catalog", name: SUPERUSER, own: true }]);
  await withSession(login(), async (session) => {
    await session.query("SET default_transaction_read_only = off");
    await session.query("ALTER DATABASE shop RESET ALL");
  });
});

test("no setting that people may choose for a compute hinders the superuser's sessions", async (t) => {
  const harmful = {
    ...{ statement_timeout: "50ms", lock_timeout: "1ms", idle_session_timeout: "1ms" },
    ...{ idle_in_transaction_session_timeout: "1ms", client_connection_check_interval: "1ms", deadlock_timeout: "1ms" },
    ...{ default_transaction_read_only: "on", default_transaction_isolation: "serializable" },
    ...{ default_transaction_deferrable: "on", row_security: "off", search_path: "shop", synchronous_commit: "off" },
    ...{ datestyle: "SQL, DMY", bytea_output: "escape", intervalstyle: "iso_8601", extra_float_digits: "-15" },
    ...(place.binaries.major >= 17 ? { transaction_timeout: "500ms" } : {}),
  };
  await drivers.compute.ensureRunning("ep-a", { ...spec, settings: harmful });
  t.after(() => drivers.compute.ensureRunning("ep-a", spec));
  const roles = [{ name: "hurried", login: false }];
  const databases = ["first", "second"].map((name) => ({ name, owner: "hurried" }));
  await drivers.compute.apply("ep-a", { roles, databases });
  assert.match(await drivers.compute.readSchema("ep-a", "second", "sql"), /PostgreSQL database dump complete/);
  const text = `SELECT current_setting('datestyle') AS style, current_setting('synchronous_commit') AS commit,
    current_setting('transaction_timeout', true) AS timeout, pg_sleep(0.6)::text AS slept`;
  const timeout = place.binaries.major >= 17 ? "0" : null;
  const rows = await drivers.compute.query("ep-a", { text });
  assert.deepEqual(rows, [{ style: "ISO, DMY", commit: "on", timeout, slept: "" }]);
  const absent = { roles: ["hurried"], databases: ["first", "second"] };
  await drivers.compute.apply("ep-a", { roles: [], databases: [], absent });
  const left = await drivers.compute.query("ep-a", { text: "SELECT FROM pg_roles WHERE rolname = 'hurried'" });
  assert.deepEqual(left, []);
});

test("a project's role can do what its migrations need", async () => {
  const extensions = ["pgcrypto", "pg_trgm", "hstore", "citext", "btree_gin"];
  await withSession(login(), async (session) => {
    for (const name of extensions) await session.query(`CREATE EXTENSION ${name}`);
    await session.query("CREATE TABLE public.t (n int)");
    await session.query("CREATE DATABASE another");
    if (place.binaries.major < 16) return;
    await session.query("CREATE ROLE app LOGIN PASSWORD 'x'");
    await session.query("GRANT ALL ON SCHEMA public TO app");
    await session.query("ALTER TABLE public.t OWNER TO app");
    await session.query("SET ROLE app");
    await session.query("RESET ROLE");
    await session.query("DROP TABLE public.t");
    await session.query("DROP OWNED BY app");
    await session.query("DROP ROLE app");
  });
});

test("a project's role can create what Neon lets it create, and so is no more than it was", async (t) => {
  if (place.binaries.major < 18) return t.skip("PostgreSQL 18 is the first that can be told of it");
  await withSession(login(), async (session) => {
    for (const name of OPENED_EXTENSIONS) await session.query(`CREATE EXTENSION ${name}`);
    const { rows } = await session.query(
      "SELECT extname, extowner::regrole::text AS owner FROM pg_extension WHERE extname = ANY ($1) ORDER BY 1",
      [OPENED_EXTENSIONS],
    );
    assert.deepEqual(
      rows,
      OPENED_EXTENSIONS.map((extname) => ({ extname, owner: "owner" })),
    );
    // What is in them stays the superuser's.
    const { rows: made } = await session.query(
      `SELECT DISTINCT proowner::regrole::text AS owner FROM pg_proc JOIN pg_depend d ON d.objid = pg_proc.oid
       JOIN pg_extension e ON e.oid = d.refobjid WHERE e.extname = ANY ($1) AND d.deptype = 'e'`,
      [OPENED_EXTENSIONS],
    );
    assert.deepEqual(made, [{ owner: SUPERUSER }]);
    await assert.rejects(session.query("SELECT pg_stat_statements_reset()"), { code: "42501" });
    await session.query("SELECT count(*) /* mine */ FROM pg_class");
    const { rows: seen } = await session.query(
      "SELECT calls::int FROM pg_stat_statements WHERE query LIKE '%/* mine */%' AND query LIKE 'SELECT count%'",
    );
    assert.deepEqual(seen, [{ calls: 1 }]);
    await assert.rejects(session.query("SET pg_stat_statements.track_utility = on"), { code: "42501" });
    // Listed once each, though PostgreSQL now finds two descriptions of each.
    const { rows: available } = await session.query(
      "SELECT name, count(*)::int FROM pg_available_extensions WHERE name = ANY ($1) GROUP BY 1 HAVING count(*) > 1",
      [OPENED_EXTENSIONS],
    );
    assert.deepEqual(available, []);
    for (const name of OPENED_EXTENSIONS) await session.query(`DROP EXTENSION ${name}`);
  });
});

test("TLS with channel binding works with a certificate that names this machine", async () => {
  const ca = await readFile(join(place.dataDir, "local", "tls", "server.crt"), "utf8");
  const session = new pg.Client(
    login({ ssl: { ca, servername: "localhost" }, enableChannelBinding: true } as pg.ClientConfig),
  );
  const { connection } = session as unknown as { connection: NodeJS.EventEmitter };
  let offered: string[] = [];
  connection.on("authenticationSASL", ({ mechanisms }: { mechanisms: string[] }) => {
    offered = mechanisms;
  });
  await session.connect();
  try {
    // node-postgres takes SCRAM-SHA-256-PLUS whenever it is offered.
    assert.deepEqual(offered, ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]);
    const { rows } = await session.query("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    assert.deepEqual(rows, [{ ssl: true, version: "TLSv1.3" }]);
  } finally {
    await session.end();
  }
});

test("plain TCP is served, and refused where TLS is required", async () => {
  await withSession(login(), (session) => session.query("SELECT 1"));
  await drivers.compute.ensureRunning("ep-a", { ...spec, tls: "required" });
  await assert.rejects(
    withSession(login(), async () => {}),
    { code: "28000" },
  );
  await withSession(login({ ssl: { rejectUnauthorized: false } }), (session) => session.query("SELECT 1"));
  await drivers.compute.ensureRunning("ep-a", spec);
});

test("no password is in a file that PostgreSQL writes, an argument or an environment", async () => {
  const of_role = newPassword();
  await withSession(login(), (session) => session.query(`CREATE ROLE told LOGIN PASSWORD '${of_role}'`));
  // What has been counted of statements is written down when a compute ends.
  await drivers.compute.suspend("ep-a", "fast");
  await drivers.compute.ensureRunning("ep-a", spec);
  const pid = (await drivers.compute.status("ep-a"))?.pid ?? 0;
  if (process.platform === "linux") {
    const exposed = (await environmentOf(pid)) + (await readFile(`/proc/${pid}/cmdline`, "utf8"));
    assert.ok(!exposed.includes(admin_password));
  }
  for (const secret of [password, admin_password, of_role]) {
    const search = 'grep -rlF -f - -- "$1" || true';
    const found = await runCommand("/bin/sh", ["-c", search, "sh", join(place.dataDir, "local")], {
      input: `${secret}\n`,
    });
    assert.equal(found, "");
  }
});
