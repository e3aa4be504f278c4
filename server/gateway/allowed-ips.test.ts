import assert from "node:assert/strict";
import { it } from "node:test";
import { isAllowedIp, isLoopback } from "./allowed-ips.ts";

it("an address is allowed by itself, its network or its range, and by an empty list", () => {
  const list = ["203.0.113.7", "198.51.100.0/24", "192.0.2.1 - 192.0.2.20", "2001:db8::/32"];
  for (const address of [
    "203.0.113.7",
    "198.51.100.255",
    "192.0.2.1",
    "192.0.2.20",
    "2001:db8::1",
    "::ffff:203.0.113.7",
  ]) {
    assert.ok(isAllowedIp(address, list), address);
  }
  for (const address of ["203.0.113.8", "198.51.101.0", "192.0.2.21", "2001:db9::1", "", "localhost"]) {
    assert.ok(!isAllowedIp(address, list), address);
  }
  assert.ok(isAllowedIp("203.0.113.8", []));
});

it("a list of mistakes allows nobody, rather than everybody", () => {
  const mistakes = ["", "localhost", "203.0.113.7/33", "203.0.113.7/", "203.0.113.9-203.0.113.1", "203.0.113.0/24-1"];
  for (const entry of mistakes) assert.ok(!isAllowedIp("203.0.113.7", [entry]), entry);
  assert.ok(isAllowedIp("203.0.113.7", [...mistakes, "203.0.113.7"]));
});

it("only addresses of this machine are loopback, however a socket writes them", () => {
  for (const address of ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"]) assert.ok(isLoopback(address), address);
  for (const address of ["", "128.0.0.1", "10.0.0.1", "::2", "127.0.0.1.example", "localhost"]) {
    assert.ok(!isLoopback(address), address);
  }
});
