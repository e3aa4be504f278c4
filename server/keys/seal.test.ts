import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { Sealer } from "./seal.ts";
import { Secret } from "./secret.ts";

const newKey = () => new Secret(randomBytes(32).toString("base64url"));

test("a sealed secret opens under the same key and purpose, and holds no plain text", () => {
  const sealer = new Sealer(newKey());
  const sealed = sealer.seal(new Secret("npg_secret"), "role:br-a-b-c:owner");
  assert.equal(sealer.open(sealed, "role:br-a-b-c:owner").reveal(), "npg_secret");
  assert.ok(!sealed.includes("npg_secret"));
  assert.notDeepEqual(sealed, sealer.seal(new Secret("npg_secret"), "role:br-a-b-c:owner"));
});

test("a sealed secret opens for no other purpose, under no other key, and not when a bit is changed", () => {
  const sealer = new Sealer(newKey());
  const sealed = sealer.seal(new Secret("npg_secret"), "role:1");
  assert.throws(() => sealer.open(sealed, "role:2"));
  assert.throws(() => new Sealer(newKey()).open(sealed, "role:1"));
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.throws(() => sealer.open(changed, "role:1"), `byte ${at}`);
  }
});

test("the fingerprint tells keys apart and is not the key", () => {
  const key = newKey();
  assert.equal(new Sealer(key).fingerprint, new Sealer(key).fingerprint);
  assert.notEqual(new Sealer(key).fingerprint, new Sealer(newKey()).fingerprint);
  assert.ok(!key.reveal().includes(new Sealer(key).fingerprint));
});
