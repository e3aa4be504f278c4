import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { clientAddress } from "./client-address.ts";

const request = (forwarded: string) =>
  ({ socket: { remoteAddress: "127.0.0.1" }, headers: { "x-forwarded-for": forwarded } }) as unknown as IncomingMessage;

test("the address of a client is the one that our outermost proxy has seen, without a port", () => {
  for (const [forwarded, address] of [
    ["192.0.2.1", "192.0.2.1"],
    ["192.0.2.1:4711", "192.0.2.1"],
    ["198.51.100.9:1, 192.0.2.1:4711", "192.0.2.1"],
    ["2001:db8::1", "2001:db8::1"],
    ["[2001:db8::1]", "2001:db8::1"],
    ["[2001:db8::1]:4711", "2001:db8::1"],
    ["unknown", "unknown"],
  ] as const) {
    assert.equal(clientAddress(1)(request(forwarded)), address);
    assert.equal(clientAddress(0)(request(forwarded)), "127.0.0.1");
  }
});
