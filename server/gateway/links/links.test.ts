import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { createSecureContext } from "node:tls";
import { until } from "../../postgres/testing.ts";
import { Links } from "./links.ts";

/** A node whose connections come about and lead nowhere, as behind a link that drops everything. */
async function openSilentNode(t: TestContext) {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket.on("error", () => {})));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { sockets, address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test("a node that let a stranger's question wait in vain is not asked the next ones, and is asked again later", async (t) => {
  const { sockets, address } = await openSilentNode(t);
  let now_ms = 1_000_000;
  const links = new Links({
    node_id: "here",
    identity: { context: createSecureContext(), digest: "" },
    findNode: async () => ({ node_id: "far", address, certificate_digest: "", lost: undefined }),
    clock: { monotonic_ms: () => now_ms },
  });
  assert.equal(await links.askVerifier("ep-far-1", "owner"), undefined);
  assert.equal(await links.askVerifier("ep-far-2", "owner"), undefined);
  assert.equal(sockets.length, 1);
  now_ms += 10_000;
  const asked = links.askVerifier("ep-far-1", "owner");
  await until("it is asked", () => sockets.length === 2);
  sockets[1]?.destroy();
  assert.equal(await asked, undefined);
});
