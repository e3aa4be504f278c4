import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { openTestInstance, type TestInstance } from "../../test/harness/instance.ts";
import { inOrganization, makePerson } from "../../test/harness/people.ts";
import { insertOrganization } from "../organizations/store.ts";
import { moveProjects } from "../projects/store.ts";
import { insertOrganizationKey } from "./store.ts";

let instance: TestInstance;

before(async () => {
  instance = await openTestInstance();
});
after(() => instance.end());

test("no key of a project is made that is being given away, and none of one that is made is left alive", async () => {
  const { db } = instance;
  const { user_id, org_id } = await makePerson(db);
  const other = await insertOrganization(db, user_id, "Other", { personal: false });
  const project_id = "calm-hill-12345678";
  const json = { settings: "{}", default_endpoint_settings: "{}" };
  const plain = {
    name: "p",
    region_id: "local",
    pg_version: 17,
    created_by: user_id,
    deleted_at: null,
    removed_at: null,
  };
  await db
    .insertInto("projects")
    .values({ id: project_id, org_id, ...plain, ...json })
    .execute();
  const makeKey = (name: string) =>
    db.transaction().execute(async (tx) => {
      const access = await inOrganization(tx, user_id, org_id, "organization_key.create");
      return await insertOrganizationKey(access, name, project_id);
    });

  await makeKey("before");
  let over = false;
  let late: Promise<unknown> = Promise.resolve();
  await db.transaction().execute(async (tx) => {
    const source = await inOrganization(tx, user_id, org_id, "project.transfer_out");
    const destination = await inOrganization(tx, user_id, other.id, "project.transfer_in");
    await moveProjects(source, destination, [project_id]);
    late = makeKey("late").finally(() => {
      over = true;
    });
    late.catch(() => {});
    while (!over && (await waiting()) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });
  await assert.rejects(late, /project not found/);
  const keys = await db.selectFrom("api_keys").select(["name", "revoked_at"]).execute();
  assert.deepEqual(
    keys.map(({ name, revoked_at }) => [name, revoked_at !== null]),
    [["before", true]],
  );
});

async function waiting(): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*) as n from pg_stat_activity where wait_event_type = 'Lock'`.execute(instance.db);
  return rows[0]?.n ?? 0;
}
