import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { digestFromBytes, digestInto, digestToBytes } from "./digest.ts";
import { KeyMemory, SLOT_BYTES } from "./key-memory.ts";
import type { LiveKey } from "./store.ts";
import { newToken, tokenDigest } from "./token.ts";

const MEGABYTE = 2 ** 20;
const digest = () => digestFromBytes(randomBytes(32));
const hex = (words: Uint32Array) => digestToBytes(words).toString("hex");
const organizationKey = (id: number, org_id = "org-1"): LiveKey => ({
  id,
  kind: "org",
  user_id: null,
  org_id,
  project_id: null,
});

describe("the memory of keys", () => {
  test("digests in words, in bytes and in the database are the same", () => {
    const { token, digest: bytes } = newToken("org");
    const words = new Uint32Array(8);
    digestInto(words, token.reveal());
    assert.deepEqual(digestToBytes(words), bytes);
    assert.deepEqual(digestFromBytes(tokenDigest(token.reveal())), words);
  });

  test("whatever is filled and dropped, it holds what a plain map holds", () => {
    // Few homes, so that chains collide, wrap around the end and are broken up in every way.
    const crowded = (n: number) =>
      digestFromBytes(Buffer.concat([Buffer.from([0, 0, 0, (n % 7) * 36]), Buffer.alloc(27), Buffer.from([n])]));
    const step = fc.record({
      n: fc.nat(29),
      org: fc.nat(3),
      what: fc.constantFrom("fill", "drop", "drop organization"),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const memory = new KeyMemory(40 * SLOT_BYTES + 4_000);
        const plain = new Map<number, LiveKey>();
        for (const { n, org, what } of steps) {
          if (what === "fill") {
            const key = plain.get(n) ?? organizationKey(2 ** 40 + n, `org-${org}`);
            memory.fill(crowded(n), key, memory.fence);
            plain.set(n, key);
          } else if (what === "drop") {
            memory.drop({ kind: "key", subject: hex(crowded(n)) });
            plain.delete(n);
          } else {
            memory.drop({ kind: "organization", subject: `org-${org}` });
            for (const [m, key] of plain) if (key.org_id === `org-${org}`) plain.delete(m);
          }
          assert.ok(memory.is_consistent);
          for (let m = 0; m < 30; m++) assert.deepEqual(memory.find(crowded(m)), plain.get(m));
        }
      }),
      { numRuns: 300 },
    );
  });

  test("an answer that is older than a drop is not remembered, neither a key nor a refusal", () => {
    const memory = new KeyMemory(MEGABYTE);
    const [a, b] = [digest(), digest()];
    const { fence } = memory;
    memory.drop({ kind: "key", subject: hex(digest()) });
    memory.fill(a, organizationKey(1), fence);
    memory.fill(b, undefined, fence);
    assert.equal(memory.find(a), undefined);
    assert.equal(memory.isRefused(b), false);
    memory.fill(a, organizationKey(1), memory.fence);
    assert.equal(memory.find(a)?.id, 1);
    const before = memory.fence;
    memory.dropEverything();
    memory.fill(a, organizationKey(1), before);
    assert.equal(memory.find(a), undefined);
  });

  test("a refused digest is forgotten by the change that concerns it", () => {
    const memory = new KeyMemory(MEGABYTE);
    const words = digest();
    memory.fill(words, undefined, memory.fence);
    assert.ok(memory.isRefused(words));
    assert.equal(memory.isRefused(digest()), false);
    memory.drop({ kind: "key", subject: hex(words) });
    assert.equal(memory.isRefused(words), false);
    memory.fill(words, undefined, memory.fence);
    memory.drop({ kind: "project", subject: "whose refusal it may be" });
    assert.equal(memory.isRefused(words), false);
  });

  test("refusals are bounded: a flood of them replaces others and takes no more memory", () => {
    const memory = new KeyMemory(MEGABYTE);
    const all = Array.from({ length: 20_000 }, digest);
    for (const words of all) memory.fill(words, undefined, memory.fence);
    assert.ok(memory.isRefused(all.at(-1) ?? digest()));
    assert.ok(all.filter((words) => memory.isRefused(words)).length <= 8_192);
  });

  test("with no bytes to use it remembers nothing", () => {
    const memory = new KeyMemory(0);
    const words = digest();
    memory.fill(words, organizationKey(1), memory.fence);
    assert.equal(memory.find(words), undefined);
    memory.drop({ kind: "organization", subject: "org-1" });
    assert.equal(memory.count, 0);
  });

  test("when it is full a key in use stays and an idle one goes, and the limit holds", () => {
    const limit = 100 * SLOT_BYTES;
    const memory = new KeyMemory(limit);
    const busy = digest();
    memory.fill(busy, organizationKey(1), memory.fence);
    for (let i = 0; i < 1_000; i++) {
      memory.find(busy);
      memory.fill(digest(), organizationKey(i + 2), memory.fence);
      assert.ok(memory.bytes <= limit);
    }
    assert.equal(memory.find(busy)?.id, 1);
    assert.ok(memory.count > 70);
    assert.ok(memory.is_consistent);
  });

  test("what keys have to themselves counts against the limit too", () => {
    const limit = MEGABYTE;
    const memory = new KeyMemory(limit);
    for (let i = 0; i < 20_000; i++) memory.fill(digest(), organizationKey(i, `org-${i}`), memory.fence);
    assert.ok(memory.bytes <= limit);
    assert.ok(memory.count > 1_500 && memory.count < 3_000, `${memory.count}`);
  });

  test("few keys take little memory, however much they might, also after all were dropped", () => {
    const before = process.memoryUsage().arrayBuffers;
    const memory = new KeyMemory(64 * MEGABYTE);
    for (const _ of [1, 2]) {
      for (let i = 0; i < 1_000; i++) memory.fill(digest(), organizationKey(i), memory.fence);
      assert.equal(memory.count, 1_000);
      assert.ok(process.memoryUsage().arrayBuffers - before < MEGABYTE);
      memory.dropEverything();
    }
  });

  test("the default of 64 MB holds a million keys", () => {
    const memory = new KeyMemory(64 * MEGABYTE);
    const words = new Uint32Array(8);
    for (let i = 0; i < 1_000_000; i++) {
      words[0] = Math.imul(i, 0x9e3779b1);
      words[1] = i;
      memory.fill(words, organizationKey(i, `org-${i % 1000}`), memory.fence);
    }
    assert.equal(memory.count, 1_000_000);
  });
});
