import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { describe, test } from "node:test";
import type pg from "pg";
import { type Clock, systemClock } from "../clock.ts";
import { createLog } from "../log.ts";
import { writeGrantUses } from "../oauth/store.ts";
import { digestFromBytes } from "./digest.ts";
import { KeyMemory } from "./key-memory.ts";
import { LastUsedRecorder } from "./last-used.ts";
import { writeKeyUses } from "./store.ts";

const SECONDS = 60;
const USES = 1_000_000;
const STEP_MS = 10;
const KEYS = 4_000;
const LOGINS = 500;

/** A moment in which everything that waits for an answer has had it. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("the statements for last uses", () => {
  test("a million uses in a minute, of keys and of logins, cause at most two statements a second", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    let now_ms = 0;
    const clock: Clock = { ...systemClock, now_ms: () => now_ms, monotonic_ms: () => now_ms };
    const sent_ms: number[] = [];
    const written = new Set<string>();
    // Counts what a database would be sent, and takes as long as a busy one.
    const pool = (kind: string) =>
      ({
        query: async ({ values }: pg.QueryConfig, of_text?: unknown[]) => {
          sent_ms.push(now_ms);
          for (const id of String((values ?? of_text)?.[0]).match(/\d+/g) ?? []) written.add(`${kind} ${id}`);
          await clock.sleep(50);
          return { rows: [] };
        },
      }) as unknown as pg.Pool;
    const log = createLog("silent");
    const memory = new KeyMemory(2 ** 20, (...use) => keys.note(...use));
    const keys = new LastUsedRecorder(pool("key"), clock, log, writeKeyUses, memory);
    const logins = new LastUsedRecorder(pool("login"), clock, log, writeGrantUses);

    const digestOf = (id: number) => digestFromBytes(hash("sha256", String(id), "buffer"));
    const digests = Array.from({ length: KEYS + 1 }, (_, id) => digestOf(id));
    for (const [id, digest] of digests.entries()) {
      const key = { id, kind: "org", user_id: null, org_id: "org-1", project_id: null } as const;
      memory.fill(digest, key, memory.fence);
    }
    /** As a request does whose key memory knows; others, and those of logins, are recorded by their ids. */
    const use = (id: number, address: string) => {
      memory.use(digests[id] as Uint32Array, now_ms, keys.originOf(address, "agent"));
      keys.expectUses();
    };

    const steps = (SECONDS * 1_000) / STEP_MS;
    for (let step = 0; step < steps; step++) {
      const upto = Math.floor((USES * (step + 1)) / steps);
      for (let n = Math.floor((USES * step) / steps); n < upto; n++) {
        const key_id = 1 + (Math.floor(n / 3) % KEYS);
        if (n % 10 === 0) logins.record(1 + ((n / 10) % LOGINS), "192.0.2.1", "agent");
        else if (n % 10 === 1) keys.record(key_id, "192.0.2.2", "agent");
        else use(key_id, `192.0.2.${n % 50}`);
      }
      now_ms += STEP_MS;
      t.mock.timers.tick(STEP_MS);
      await settle();
    }
    const during = sent_ms.filter((at_ms) => at_ms <= SECONDS * 1_000);
    assert.ok(during.length >= SECONDS, `${during.length} statements: it has written all the while`);
    for (let second = 0; second < SECONDS; second++) {
      const in_it = during.filter((at_ms) => Math.floor(at_ms / 1_000) === second).length;
      assert.ok(in_it <= 2, `${in_it} statements in second ${second}`);
    }
    t.diagnostic(`${USES} uses in ${SECONDS} s: ${during.length} statements`);
    for (let i = 0; i < 200 && keys.waiting + logins.waiting > 0; i++) {
      t.mock.timers.tick(STEP_MS * 10);
      await settle();
    }
    assert.equal(keys.waiting + logins.waiting, 0);
    assert.equal(written.size, KEYS + LOGINS, "and every one of them was written");
  });
});
