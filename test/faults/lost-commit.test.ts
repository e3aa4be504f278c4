import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { createOrganization } from "@latchkey/contract/organizations.ts";
import { createClient } from "@latchkey/sdk";
import { ExternalDatabase } from "../harness/external-database.ts";
import { startServer } from "../harness/server.ts";

/** A way to the database that can lose the answer to each `commit`: the database has committed, and is gone before it says so. */
async function openLossyWay(t: TestContext, to_port: number) {
  const way = { port: 0, loses_commits: false };
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(to_port, "127.0.0.1");
    let commits = false;
    near.on("data", (chunk) => {
      commits ||= way.loses_commits && chunk.includes("commit\0");
      far.write(chunk);
    });
    far.on("data", (chunk) => void (commits ? far.destroy() : near.write(chunk)));
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on("error", () => {}).on("close", () => other.destroy());
    }
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  way.port = (server.address() as AddressInfo).port;
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return way;
}

test("a change whose commit is not answered is told as one that may have been made, and is not made twice", async (t) => {
  const database = await ExternalDatabase.make();
  t.after(() => database.close());
  const way = await openLossyWay(t, database.port);
  const server = await startServer(t, { DATABASE_URL: database.urlAt(way.port) });
  const { api_key } = await server.setup();
  const client = createClient({ base_url: server.url, api_key });
  await client.call(createOrganization, { body: { organization: { name: "before" } } });

  way.loses_commits = true;
  await assert.rejects(client.call(createOrganization, { body: { organization: { name: "lost" } } }), {
    status: 500,
    code: "UNCONFIRMED",
    message: /may have been made/,
  });
  way.loses_commits = false;
  const made = await database.query("select name from organizations where name in ('before', 'lost') order by name");
  assert.deepEqual(
    made.map(({ name }) => name),
    ["before", "lost"],
  );
});
