import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { Sealer } from "../keys/seal.ts";
import { Secret } from "../keys/secret.ts";
import { newRolePassword, openRolePassword, sealRolePassword } from "./password.ts";

describe("a role's password", () => {
  const sealer = new Sealer(new Secret(randomBytes(32).toString("base64url")));

  it("is new each time and needs no escaping anywhere", () => {
    const made = Array.from({ length: 200 }, () => newRolePassword().reveal());
    for (const password of made) assert.match(password, /^npg_[0-9A-Za-z]{24}$/);
    assert.equal(new Set(made).size, made.length);
  });

  it("opens for its own branch and role and for no other", () => {
    const password = newRolePassword();
    const sealed = sealRolePassword(sealer, password, "br-a-b-1", "owner");
    assert.equal(openRolePassword(sealer, sealed, "br-a-b-1", "owner").reveal(), password.reveal());
    assert.throws(() => openRolePassword(sealer, sealed, "br-a-b-2", "owner"));
    assert.throws(() => openRolePassword(sealer, sealed, "br-a-b-1", "other"));
  });
});
