import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { Secret } from "./secret.ts";
import { newToken, parseToken, TOKEN_KINDS, TOKEN_PATTERN, tokenDigest } from "./token.ts";

test("a new token of each kind is well formed, and its digest is what a look-up finds", () => {
  for (const kind of TOKEN_KINDS) {
    const { token, digest, hint } = newToken(kind);
    const text = token.reveal();
    assert.deepEqual(parseToken(text), { kind });
    assert.match(text, new RegExp(`^${TOKEN_PATTERN.source}$`));
    assert.equal(text.length, `lk_${kind}_`.length + 49);
    assert.deepEqual(digest, tokenDigest(text));
    assert.equal(text.slice(-10, -6), hint);
  }
});

test("any change of one character is found by the checksum, without a database", () => {
  const text = newToken("user").token.reveal();
  const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  fc.assert(
    fc.property(fc.nat(48), fc.nat(61), (at, letter) => {
      const index = "lk_user_".length + at;
      const changed = text.slice(0, index) + alphabet[letter] + text.slice(index + 1);
      fc.pre(changed !== text);
      assert.deepEqual(parseToken(changed), { malformed: "checksum" });
    }),
  );
});

test("what is no token is told from one, whatever it is", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.ok("malformed" in parseToken(text));
    }),
  );
  const text = newToken("org").token.reveal();
  for (const near of [`${text}0`, text.slice(0, -1), ` ${text}`, `${text}\n`, text.replace("lk_org_", "lk_user_")]) {
    assert.ok("malformed" in parseToken(near), near);
  }
});

test("tokens are all different and their characters evenly spread", () => {
  const tokens = Array.from({ length: 10_000 }, () => newToken("user").token.reveal().slice(8, 51));
  assert.equal(new Set(tokens).size, tokens.length);
  // The first character is skewed (62^43 is a little more than 2^256); the last must not be.
  const last = new Map<string, number>();
  for (const token of tokens) last.set(token.slice(-1), (last.get(token.slice(-1)) ?? 0) + 1);
  assert.equal(last.size, 62);
  for (const [letter, count] of last) assert.ok(count > 80 && count < 260, `${letter}: ${count}`);
});

test("a secret does not show itself in any way of printing", () => {
  const secret = new Secret("lk_user_x");
  const shown = [`${secret}`, String(secret), JSON.stringify({ secret }), inspect({ secret }), inspect([secret])];
  for (const text of shown) {
    assert.ok(!text.includes("lk_user_x"));
    assert.ok(text.includes("[redacted]"));
  }
  assert.equal(secret.reveal(), "lk_user_x");
});
