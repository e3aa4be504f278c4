import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../clock.ts";
import { ApiError } from "../errors.ts";
import { FailedSignIns } from "./failed-sign-ins.ts";

function limit() {
  let now_ms = 1_000_000;
  const failed = new FailedSignIns({ ...systemClock, monotonic_ms: () => now_ms });
  return { failed, advance: (ms: number) => (now_ms += ms) };
}

function tryTimes(failed: FailedSignIns, times: number, address: string, email: string) {
  for (let i = 0; i < times; i++) failed.begin(address, email);
}

const limited = (error: unknown) =>
  error instanceof ApiError && error.status === 429 && /^\d+$/.test(error.headers["retry-after"] ?? "");

test("the eleventh failed sign-in within five minutes is refused and told when to come back", () => {
  const { failed, advance } = limit();
  tryTimes(failed, 10, "192.0.2.1", "ada@example.com");
  advance(60_000);
  assert.throws(
    () => failed.begin("192.0.2.1", "ADA@example.com"),
    (error: unknown) => limited(error) && (error as ApiError).headers["retry-after"] === "240",
  );
  advance(240_000);
  failed.begin("192.0.2.1", "ada@example.com");
});

test("a stranger's guesses do not lock the owner out at another address", () => {
  const { failed } = limit();
  tryTimes(failed, 10, "192.0.2.1", "ada@example.com");
  failed.begin("192.0.2.2", "ada@example.com");
});

test("guesses sent at once are counted before any of them is judged", () => {
  const { failed } = limit();
  tryTimes(failed, 10, "192.0.2.1", "ada@example.com");
  assert.throws(() => failed.begin("192.0.2.1", "ada@example.com"), limited);
});

test("a successful sign-in forgives the failures before it, of that account alone", () => {
  const { failed } = limit();
  tryTimes(failed, 10, "192.0.2.1", "bob@example.com");
  tryTimes(failed, 9, "192.0.2.1", "ada@example.com");
  failed.begin("192.0.2.1", "ada@example.com").succeeded();
  tryTimes(failed, 10, "192.0.2.1", "ada@example.com");
  assert.throws(() => failed.begin("192.0.2.1", "bob@example.com"), limited);
});

test("an attempt that the database could not judge counts for nothing", () => {
  const { failed } = limit();
  for (let i = 0; i < 300; i++) failed.begin("192.0.2.1", "ada@example.com").undecided();
});

test("one address cannot try many accounts, nor can one IPv6 network with many addresses", () => {
  for (const address of [() => "192.0.2.1", (i: number) => `2001:db8:0:7:${i.toString(16)}::1`]) {
    const { failed } = limit();
    for (let i = 0; i < 100; i++) failed.begin(address(i), `p${i}@example.com`);
    assert.throws(() => failed.begin(address(101), "another@example.com"), limited);
    failed.begin("2001:db8:0:8::1", "another@example.com");
  }
});

test("memory stays bounded when every attempt comes from a new address", () => {
  const { failed } = limit();
  for (let i = 0; i < 30_000; i++) failed.begin(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, "ada@example.com");
  // The first are forgotten, the latest are not.
  tryTimes(failed, 9, "10.0.117.47", "ada@example.com");
  assert.throws(() => failed.begin("10.0.117.47", "ada@example.com"), limited);
});
