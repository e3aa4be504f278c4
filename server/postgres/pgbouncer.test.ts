import assert from "node:assert/strict";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { PostgresError } from "./errors.ts";
import { findPgBouncer } from "./pgbouncer.ts";
import { makePlace } from "./testing.ts";

test("PgBouncer 1.21 and later will do, what is older, something else or missing is refused by name", async (t) => {
  const { dataDir, account } = await makePlace(t, "/tmp");
  const find = async (version: string) => {
    const program = join(dataDir, "pgbouncer");
    await mkdir(dataDir, { recursive: true });
    await writeFile(program, `#!/bin/sh\necho '${version}'\n`);
    await chmod(program, 0o755);
    return (await findPgBouncer(program, account))?.version;
  };
  assert.equal(await find("PgBouncer 1.21.0"), "1.21.0");
  assert.equal(await find("PgBouncer 1.24.1\nlibevent 2.1.12-stable"), "1.24.1");
  assert.equal(await find("PgBouncer 2.0.0rc1"), "2.0.0rc1");
  const refused = (message: RegExp) => (error: unknown) =>
    error instanceof PostgresError && error.code === "no_pooler" && message.test(error.message);
  await assert.rejects(find("PgBouncer 1.18.0"), refused(/1\.21 or later is needed; .* is 1\.18\.0/));
  await assert.rejects(find("bouncer of another kind"), refused(/is something else/));
  await assert.rejects(findPgBouncer(join(dataDir, "missing"), account), refused(/cannot be run/));
});
