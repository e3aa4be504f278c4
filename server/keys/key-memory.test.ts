import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { digestFromBytes, digestInto, digestToBytes } from "./digest.ts";
import { KeyMemory, SLOT_BYTES } from "./key-memory.ts";
import type { LiveKey, UseOrigin } from "./store.ts";
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

/** For what no key is used in. */
const noUse = () => assert.fail("a use was passed on");

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
        const memory = new KeyMemory(40 * SLOT_BYTES + 4_000, noUse);
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
    const memory = new KeyMemory(MEGABYTE, noUse);
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
    const memory = new KeyMemory(MEGABYTE, noUse);
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
    const memory = new KeyMemory(MEGABYTE, noUse);
    const all = Array.from({ length: 20_000 }, digest);
    for (const words of all) memory.fill(words, undefined, memory.fence);
    assert.ok(memory.isRefused(all.at(-1) ?? digest()));
    assert.ok(all.filter((words) => memory.isRefused(words)).length <= 8_192);
  });

  test("with no bytes to use it remembers nothing", () => {
    const memory = new KeyMemory(0, noUse);
    const words = digest();
    memory.fill(words, organizationKey(1), memory.fence);
    assert.equal(memory.find(words), undefined);
    memory.drop({ kind: "organization", subject: "org-1" });
    assert.equal(memory.count, 0);
  });

  test("when it is full a key in use stays and an idle one goes, and the limit holds", () => {
    const limit = 100 * SLOT_BYTES;
    const memory = new KeyMemory(limit, noUse);
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
    const memory = new KeyMemory(limit, noUse);
    for (let i = 0; i < 20_000; i++) memory.fill(digest(), organizationKey(i, `org-${i}`), memory.fence);
    assert.ok(memory.bytes <= limit);
    assert.ok(memory.count > 1_500 && memory.count < 3_000, `${memory.count}`);
  });

  test("when keys come that share nothing, a table that keys have filled that share all gives way, and the limit holds", () => {
    const memory = new KeyMemory(MEGABYTE, noUse);
    const bytes = () => process.memoryUsage().arrayBuffers;
    const before = bytes();
    for (let i = 0; i < 20_000; i++) memory.fill(digest(), organizationKey(i), memory.fence);
    assert.ok(memory.count > 15_000);
    assert.ok(Math.abs(bytes() - before - memory.bytes) < 2 * memory.bytes, "what it says is what it takes");
    for (let i = 0; i < 20_000; i++) {
      memory.fill(digest(), organizationKey(i, `org-${i}`), memory.fence);
      assert.ok(memory.bytes <= MEGABYTE);
    }
    assert.ok(memory.count > 1_500 && memory.count < 3_000, `${memory.count}`);
    assert.ok(memory.is_consistent);
  });

  test("of each key the latest use is given out once, whatever is filled, dropped, evicted and taken meanwhile", () => {
    const origins = Array.from({ length: 4 }, (_, i) => ({ address: `192.0.2.${i}`, user_agent: "test" }));
    const crowded = (n: number) => digestFromBytes(Buffer.from([0, 0, 0, (n % 7) * 36, ...Buffer.alloc(27), n]));
    const step = fc.record({
      n: fc.nat(59),
      // Some are of before the first one: a clock may be set back.
      at_ms: fc.integer({ min: 1_000, max: 9_000 }),
      origin: fc.nat(3),
      what: fc.constantFrom("fill", "use", "use", "use", "drop", "take", "drop everything"),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const used = new Map<number, { at_ms: number; origin: UseOrigin }[]>();
        const given: typeof used = new Map();
        const give = (key_id: number, at_ms: number, origin: UseOrigin) =>
          void given.set(key_id, [...(given.get(key_id) ?? []), { at_ms, origin }]);
        // Room for some thirty keys of sixty.
        const memory = new KeyMemory(40 * SLOT_BYTES + 400, give);
        const takeAll = (most: number) => {
          while (memory.uses_waiting > 0) {
            const { key_ids, at_ms, origins } = memory.takeUses(most);
            assert.ok(key_ids.length > 0 && key_ids.length <= most);
            for (const [i, id] of key_ids.entries()) give(id, at_ms[i] as number, origins[i] as UseOrigin);
          }
        };
        for (const { n, at_ms, origin, what } of steps) {
          const use = { at_ms, origin: origins[origin] as UseOrigin };
          if (what === "fill") memory.fill(crowded(n), organizationKey(n), memory.fence);
          else if (what === "drop") memory.drop({ kind: "key", subject: hex(crowded(n)) });
          else if (what === "drop everything") memory.dropEverything();
          else if (what === "take") takeAll(3);
          else if (memory.use(crowded(n), at_ms, use.origin)) used.set(n, [...(used.get(n) ?? []), use]);
          assert.ok(memory.is_consistent);
        }
        takeAll(5);
        for (const [n, uses] of used) {
          const out = given.get(n) ?? [];
          // Each that was given out had been made, in that order, and the latest is among them.
          assert.ok(out.length <= uses.length);
          assert.ok(out.every((use) => uses.some((made) => made.at_ms === use.at_ms && made.origin === use.origin)));
          assert.deepEqual(out.at(-1), uses.at(-1));
        }
        for (const n of given.keys()) assert.ok(used.has(n));
      }),
      { numRuns: 500 },
    );
  });

  test("a key that is used from ever other places does not fill the memory with them", () => {
    const memory = new KeyMemory(MEGABYTE, noUse);
    const [one, other] = [digest(), digest()];
    for (const [i, words] of [one, other].entries()) memory.fill(words, organizationKey(i + 1), memory.fence);
    const first = { address: "192.0.2.1", user_agent: "first" };
    memory.use(other, 1_000, first);
    for (let i = 0; i < 100_000; i++) {
      memory.use(one, 2_000 + i, { address: `10.0.${i >> 8}.${i & 255}`, user_agent: "x" });
      assert.ok(memory.origin_count < 2_000);
    }
    const { key_ids, at_ms, origins: from } = memory.takeUses(10);
    assert.deepEqual(
      new Map(key_ids.map((id, i) => [id, [at_ms[i], from[i]?.address]])),
      new Map([
        [1, [101_999, "10.0.390.159"]],
        [2, [1_000, "192.0.2.1"]],
      ]),
    );
  });

  test("few keys take little memory, however much they might, also after all were dropped", () => {
    const before = process.memoryUsage().arrayBuffers;
    const memory = new KeyMemory(64 * MEGABYTE, noUse);
    for (const _ of [1, 2]) {
      for (let i = 0; i < 1_000; i++) memory.fill(digest(), organizationKey(i), memory.fence);
      assert.equal(memory.count, 1_000);
      assert.ok(process.memoryUsage().arrayBuffers - before < MEGABYTE);
      memory.dropEverything();
    }
  });

  test("the default of 64 MB holds a million keys", () => {
    const memory = new KeyMemory(64 * MEGABYTE, noUse);
    const words = new Uint32Array(8);
    for (let i = 0; i < 1_000_000; i++) {
      words[0] = Math.imul(i, 0x9e3779b1);
      words[1] = i;
      memory.fill(words, organizationKey(i, `org-${i % 1000}`), memory.fence);
    }
    assert.equal(memory.count, 1_000_000);
  });
});
