import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { systemClock } from "../../../clock.ts";
import { scramVerifier } from "../../../postgres/scram.ts";
import { freePort, makePlace, newPassword, withSession } from "../../../postgres/testing.ts";
import type { ComputeAddress, Drivers } from "../../driver.ts";
import { type AdminAddress, asAdmin } from "./admin.ts";
import { openLocalDriver } from "./driver.ts";

/** Of everything that a schema is made of, something; made by the owner, as people do. */
const RICH_SCHEMA = `
  create schema shop;
  create extension hstore schema shop;
  create type shop.mood as enum ('glad', 'it''s fine', 'traurig');
  create type shop.point3 as (x int, y int, z int);
  create domain shop.percent as numeric(5,2) default 0 check (value between 0 and 100);
  create type shop.span as range (subtype = int4);
  create sequence shop.counter as bigint start 7 increment 3 cycle maxvalue 1000;
  create collation shop.german (provider = icu, locale = 'de-DE');
  create function shop.double(n int) returns int language sql immutable parallel safe as 'select n * 2';
  create function shop.touch() returns trigger language plpgsql as $$begin
    new.changed_at := now();
    return new;
  end$$;
  create procedure shop.nothing() language plpgsql as 'begin end';
  create aggregate shop.total (int) (sfunc = int4pl, stype = int, initcond = '0');
  create operator shop.<+> (leftarg = int, rightarg = int, function = int4pl);
  create table shop.customers (
    id int generated always as identity primary key,
    "Na""me" text collate shop.german not null,
    feels shop.mood default 'glad',
    share shop.percent,
    tags shop.hstore,
    twice int generated always as (id * 2) stored,
    changed_at timestamptz default now(),
    constraint named check ("Na""me" <> ''),
    unique nulls not distinct ("Na""me", feels)
  ) with (fillfactor = 80);
  create table shop.orders (
    id bigint default nextval('shop.counter'),
    customer_id int references shop.customers on delete cascade deferrable initially deferred,
    placed_at date not null,
    during shop.span,
    primary key (id, placed_at)
  ) partition by range (placed_at);
  create table shop.orders_old partition of shop.orders for values from (minvalue) to ('2020-01-01');
  create table shop.orders_new partition of shop.orders default;
  create table shop.kinds (extra int[]) inherits (shop.customers);
  create table shop.rooms (room int, during int4range, exclude using gist (during with &&));
  alter table shop.kinds alter extra set statistics 200, alter extra set storage external;
  create index on shop.customers using gin (tags);
  create unique index "odd index" on shop.customers (lower("Na""me") desc nulls last) include (share) where share > 10;
  create statistics shop.correlated (dependencies) on feels, share from shop.customers;
  create view shop.glad with (security_barrier) as select id, "Na""me" from shop.customers where feels = 'glad'
    with local check option;
  create materialized view shop.counts as select feels, count(*) from shop.customers group by feels;
  create unique index on shop.counts (feels);
  create recursive view shop.numbers (n) as values (1) union all select n + 1 from numbers where n < 9;
  create trigger touch before update of feels, share on shop.customers for each row when (old.feels is distinct from new.feels) execute function shop.touch();
  create rule no_delete as on delete to shop.kinds do instead nothing;
  alter table shop.customers enable row level security, force row level security;
  create policy mine on shop.customers for select to guest using ("Na""me" = current_user);
  create publication news for table shop.customers (id, feels) where (id > 1);
  create text search configuration shop.plain (copy = simple);
  create cast (shop.point3 as text) with inout;
  comment on table shop.customers is E'héllo\nworld ''quoted''';
  comment on column shop.customers.feels is 'how they are';
  comment on function shop.double(int) is 'twice';
  grant usage, create on schema shop to guest;
  grant select (id), update (feels) on shop.customers to guest with grant option;
  revoke execute on function shop.double(int) from public;
  alter default privileges in schema shop grant select on tables to guest;
  alter function shop.double(int) owner to guest;
  insert into shop.customers ("Na""me") values ('a secret that is data');
`;

describe("the schema of a database", () => {
  let drivers: Drivers;
  let address: ComputeAddress;
  let admin: AdminAddress;
  let password: string;
  const cleanUps: (() => unknown)[] = [];
  const HOSTILE = `it's "a" \\ b`;

  before(async () => {
    const place = await makePlace({ after: (work) => cleanUps.push(work as () => unknown) });
    drivers = await openLocalDriver({ ...place, clock: systemClock, spares: 0 });
    const { storage, compute } = drivers;
    const [pg_version = 0] = storage.capabilities().pg_versions;
    await storage.createRoot("br-schema", { pg_version });
    const admin_password = newPassword();
    const port = await freePort();
    address = await compute.ensureRunning("ep-schema", {
      ...{ branch_id: "br-schema", port, max_connections: 20, admin_password },
    });
    admin = { ...address, password: admin_password, major: pg_version };
    password = newPassword();
    const verifier = await scramVerifier(password);
    await compute.apply("ep-schema", {
      roles: [
        { name: "owner", verifier, login: true },
        { name: "guest", login: false },
      ],
      databases: ["first", "second", HOSTILE].map((name) => ({ name, owner: "owner" })),
    });
    await compute.query("ep-schema", { text: "grant guest to owner" });
    await asOwner("first", RICH_SCHEMA);
  });
  after(async () => {
    await drivers?.compute.shutdown();
    for (const cleanUp of cleanUps) await cleanUp();
  });

  const asOwner = (database: string, text: string) =>
    withSession({ host: address.host, port: address.port, user: "owner", password, database }, (s) => s.query(text));
  const dump = (database: string) => drivers.compute.readSchema("ep-schema", database, "sql");

  test("loaded into an empty database it makes the same schema: dumped again, not a letter differs", async () => {
    const sql = await dump("first");
    await asAdmin(admin, "second", (session) => session.query(sql));
    assert.equal(await dump("second"), sql);
    for (const part of RICH_SCHEMA.matchAll(/create (?:unique )?(\w+(?: \w+)?) (?:"[^"]+"|[\w.]+)/g)) {
      assert.ok(sql.toUpperCase().includes((part[1] ?? "").split(" ")[0]?.toUpperCase() ?? "?"), part[0]);
    }
    assert.ok(
      sql.includes("ENABLE ROW LEVEL SECURITY") && sql.includes("PARTITION BY RANGE") && sql.includes("'it''s fine'"),
    );
  });

  test("it has no data in it, nothing of the control plane's, and nothing that differs from one reading to the next", async () => {
    const [sql, again] = [await dump("first"), await dump("first")];
    assert.equal(sql, again);
    assert.ok(!sql.includes("a secret that is data"));
    assert.ok(!/latchkey|restrict/i.test(sql), /.*(latchkey|restrict).*/i.exec(sql)?.[0]);
  });

  test("several are read at once, and a name is only a name", async () => {
    await asOwner(HOSTILE, "create table here ()");
    const [one, other] = await Promise.all([dump(HOSTILE), dump("first")]);
    assert.match(one, /CREATE TABLE public\.here/);
    assert.match(other, /CREATE TABLE shop\.customers/);
  });

  test("a schema larger than any buffer on the way arrives whole", async () => {
    await asOwner(
      HOSTILE,
      `do $$begin
      for n in 1..400 loop execute format('create table t%s (%s int, note text default %L)', n, 'c' || n, repeat('x', 4000)); end loop;
    end$$`,
    );
    const sql = await dump(HOSTILE);
    assert.equal(sql.match(/^CREATE TABLE public\.t\d+ /gm)?.length, 400);
    assert.ok(sql.length > 1_600_000);
  });

  test("there is no such database, or it is one of ours, or a table in it is locked: each says so", async () => {
    for (const name of ["nowhere", "postgres", "template1", "latchkey_spare", ""]) {
      await assert.rejects(dump(name), { code: "database_missing" }, name);
    }
    await assert.rejects(drivers.compute.readSchema("ep-none", "first", "sql"), { code: "not_running" });
    await withSession(
      { host: address.host, port: address.port, user: "owner", password, database: "first" },
      async (s) => {
        await s.query("begin; lock table shop.customers in access exclusive mode");
        await assert.rejects(dump("first"), (error: Error & { code: string }) => {
          assert.equal(error.code, "dump_failed");
          assert.ok(!error.message.includes(admin.password));
          return true;
        });
      },
    );
  });

  test("nothing stays behind: no session at the compute", async () => {
    const text =
      "select application_name from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()";
    assert.deepEqual(await drivers.compute.query("ep-schema", { text }), []);
  });
});
