import assert from "node:assert/strict";
import { test } from "node:test";
import { NotedUses } from "./noted-uses.ts";

const HERE = { address: "192.0.2.1", user_agent: "test" };

/** All that is noted, by key. */
function takeAll(noted: NotedUses, at_a_time: number) {
  const taken = new Map<number, { at_ms: number | undefined; address: string | undefined }>();
  while (noted.count > 0) {
    const { key_ids, at_ms, origins } = noted.take(at_a_time);
    assert.ok(key_ids.length <= at_a_time && key_ids.length > 0);
    key_ids.forEach((id, i) => {
      assert.ok(!taken.has(id), `key ${id} twice`);
      taken.set(id, { at_ms: at_ms[i], address: origins[i]?.address });
    });
  }
  return taken;
}

test("of each key the latest use is kept, however many keys there are and whatever their ids", () => {
  const noted = new NotedUses();
  const expected = new Map<number, { at_ms: number; address: string }>();
  const origins = Array.from({ length: 5 }, (_, i) => ({ address: `192.0.2.${i}`, user_agent: "test" }));
  for (let i = 0; i < 60_000; i++) {
    // Neighbours, the same ids far apart, and ids beyond 32 bits.
    const base = [1, 2 ** 21, 2 ** 32, 2 ** 53 - 30_000][i % 4] as number;
    const key_id = base + Math.floor(Math.random() * 20_000);
    const origin = origins[i % 5] ?? HERE;
    noted.note(key_id, i, origin);
    expected.set(key_id, { at_ms: i, address: origin.address });
  }
  assert.equal(noted.count, expected.size);
  assert.deepEqual(takeAll(noted, 777), expected);
});

test("a key that is used from ever other places does not fill the memory with them", () => {
  const noted = new NotedUses();
  for (let i = 0; i < 100_000; i++) {
    noted.note(7, i, { address: `10.0.${i >> 8}.${i & 255}`, user_agent: "x" });
    assert.ok(noted.origin_count < 4_096);
  }
  assert.deepEqual([...takeAll(noted, 10)], [[7, { at_ms: 99_999, address: "10.0.390.159" }]]);
});
