import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createSecureContext, TLSSocket } from "node:tls";
import { systemClock } from "../../clock.ts";
import { ownAccount } from "../../postgres/account.ts";
import { ensureCertificate } from "../../postgres/certificate.ts";
import { until } from "../../postgres/testing.ts";
import { ComputeAway } from "../compute-session.ts";
import { readLinkIdentity } from "./identity.ts";
import { Links } from "./links.ts";
import { LINK_PROTOCOL } from "./wire.ts";

/** A node whose connections come about and lead nowhere, as behind a link that drops everything. */
async function openSilentNode(t: TestContext, greet: (socket: Socket) => void = () => {}) {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on("error", () => {}));
    greet(socket);
  });
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { sockets, address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test("a node that is lost while the link to it comes about is not waited for", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "latchkey-links-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const identity = await readLinkIdentity(await ensureCertificate(directory, ownAccount(), systemClock));
  const secureContext = identity.context;
  const { address } = await openSilentNode(t, (socket) => {
    const secure = () => new TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols: [LINK_PROTOCOL] });
    // Later than it is looked whether the node is lost.
    setTimeout(() => secure().on("error", () => {}), 1_500);
  });
  let lost: string | undefined;
  const links = new Links({
    node_id: "here",
    identity,
    findNode: async () => ({ node_id: "far", address, certificate_digest: identity.digest, lost }),
    clock: systemClock,
  });
  const compute = await links.find("ep-far");
  lost = "the node is lost";
  const began = performance.now();
  await assert.rejects(async () => await compute?.connect("session"), ComputeAway);
  assert.ok(performance.now() - began < 10_000);
});

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
