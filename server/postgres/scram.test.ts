import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import test from "node:test";
import { isScramVerifier, scramVerifier } from "./scram.ts";

test("a verifier checks the exchange that RFC 7677 prints", async () => {
  const salt = "W22ZaJ0SNY7soEsUEjb6gQ==";
  const verifier = await scramVerifier("pencil", Buffer.from(salt, "base64"));
  const [, parameters, keys = ""] = verifier.split("$");
  assert.equal(parameters, `4096:${salt}`);
  const [storedKey, serverKey] = keys.split(":").map((key) => Buffer.from(key, "base64"));
  assert.ok(storedKey && serverKey);
  const nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  const message = `n=user,r=rOprNGfwEbeRWgbNEkqO,r=${nonce},s=${salt},i=4096,c=biws,r=${nonce}`;
  const signature = createHmac("sha256", storedKey).update(message).digest();
  const proof = Buffer.from("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "base64");
  const clientKey = proof.map((byte, at) => byte ^ (signature[at] ?? 0));
  assert.deepEqual(createHash("sha256").update(clientKey).digest(), storedKey);
  const answer = createHmac("sha256", serverKey).update(message).digest("base64");
  assert.equal(answer, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
});

test("a plain password is never taken for a verifier", async () => {
  assert.ok(isScramVerifier(await scramVerifier("secret")));
  for (const text of [
    "secret",
    "",
    "SCRAM-SHA-256$4096:",
    "md5d41d8cd98f00b204e9800998ecf8427e",
    "SCRAM-SHA-256$x'; --",
  ]) {
    assert.ok(!isScramVerifier(text), text);
  }
});

test("a password that would need SASLprep is refused rather than stored wrongly", async () => {
  await assert.rejects(scramVerifier("pässwort"), TypeError);
  await assert.rejects(scramVerifier(""), TypeError);
});
