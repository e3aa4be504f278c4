import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { openTestDatabase } from "../../test/harness/database.ts";
import { migrate } from "./migrate.ts";

test("a database that a newer release has changed is left alone, and it is said which way out there is", async (t) => {
  const { db, close } = await openTestDatabase();
  t.after(close);
  const names = async () =>
    (await sql<{ name: string }>`select name from schema_migrations order by name`.execute(db)).rows;
  await migrate(db);
  await sql`insert into schema_migrations (name, timestamp) values ('9999-later', now())`.execute(db);
  const before = await names();
  await assert.rejects(
    migrate(db),
    /^Error: the database is that of a newer Latchkey \(it has 9999-later\); start that one/,
  );
  assert.deepEqual(await names(), before);
});
