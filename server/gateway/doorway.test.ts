import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Doorway } from "./doorway.ts";

function makeDoorway(places: number) {
  let now_ms = 0;
  const doorway = new Doorway({ places, deadline_ms: 100 }, { monotonic_ms: () => now_ms });
  const evicted: string[] = [];
  const enter = (name: string, address: string) => doorway.enter(address, (why) => evicted.push(`${name} ${why}`));
  return { doorway, evicted, enter, pass: (ms: number) => (now_ms += ms) };
}

describe("the doorway", () => {
  it("throws out the oldest of the network that holds most places, so that a flood is its own victim", () => {
    const { enter, evicted, doorway } = makeDoorway(4);
    const leave = enter("guest", "192.0.2.1");
    for (let i = 0; i < 10; i++) enter(`flood ${i}`, "203.0.113.9");
    assert.deepEqual(
      evicted,
      [0, 1, 2, 3, 4, 5, 6].map((i) => `flood ${i} crowded`),
    );
    assert.equal(doorway.count, 4);
    leave();
    leave();
    assert.equal(doorway.count, 3);
  });

  it("counts the addresses of one subscriber as one network", () => {
    const { enter, evicted } = makeDoorway(3);
    enter("guest", "2001:db8:1:1::1");
    for (let i = 0; i < 4; i++) enter(`flood ${i}`, `2001:db8:9:9::${i}`);
    assert.deepEqual(evicted, ["flood 0 crowded", "flood 1 crowded"]);
  });

  it("throws out whoever stays for too long", async () => {
    const { enter, evicted, pass, doorway } = makeDoorway(3);
    enter("slow", "192.0.2.1");
    pass(60);
    enter("quick", "192.0.2.1");
    pass(60);
    while (evicted.length === 0) await new Promise(setImmediate);
    assert.deepEqual(evicted, ["slow deadline"]);
    assert.equal(doorway.count, 1);
  });
});
