import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../clock.ts";
import { BackOff, backOffDelay_ms } from "./back-off.ts";

describe("the back-off", () => {
  it("grows from one second to a minute and stays there", () => {
    assert.deepEqual(
      [1, 2, 3, 6, 7, 8, 50, 5000].map(backOffDelay_ms),
      [1_000, 2_000, 4_000, 32_000, 60_000, 60_000, 60_000, 60_000],
    );
  });

  it("tries at once after the first failure, waits after the next, and forgets after two quiet minutes", () => {
    let now = 0;
    const back_off = new BackOff({ ...systemClock, monotonic_ms: () => now });
    assert.equal(back_off.isDue("a"), true);
    assert.equal(back_off.failed("a"), 1);
    assert.equal(back_off.isDue("a"), true);
    assert.equal(back_off.failed("a"), 2);
    assert.equal(back_off.isDue("a"), false);
    assert.equal(back_off.isDue("b"), true);
    now = 1_000;
    assert.equal(back_off.isDue("a"), true);
    assert.equal(back_off.failed("a"), 3);
    now = 2_999;
    assert.equal(back_off.isDue("a"), false);
    // As long as a start may take that fails in the end.
    now = 3_000 + 119_000;
    assert.equal(back_off.failed("a"), 4);
    assert.equal(back_off.waitFor_ms("a"), 4_000);
    now += 4_000 + 120_001;
    assert.equal(back_off.failed("a"), 1);
  });
});
