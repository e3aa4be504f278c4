import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { ensureCertificate } from "./certificate.ts";
import { makePlace } from "./testing.ts";

const YEAR_MS = 365 * 24 * 60 * 60 * 1000;

test("the certificate is kept while it is good and replaced before it expires or when its key is lost", async (t) => {
  const { dataDir, account } = await makePlace(t);
  const directory = join(dataDir, "tls");
  let now_ms = 1_800_000_000_000;
  const clock = { now_ms: () => now_ms };
  const ensure = async () => {
    const { certificate } = await ensureCertificate(directory, account, clock);
    return new X509Certificate(await readFile(certificate));
  };
  const first = await ensure();
  assert.ok(first.checkHost("localhost") && first.checkIP("127.0.0.1") && first.checkIP("::1"));
  const key = await stat(join(directory, "server.key"));
  assert.deepEqual([key.mode & 0o777, key.uid], [0o600, account.uid]);

  now_ms += 9 * YEAR_MS;
  assert.equal((await ensure()).serialNumber, first.serialNumber);
  now_ms += YEAR_MS;
  const second = await ensure();
  assert.notEqual(second.serialNumber, first.serialNumber);
  assert.ok(second.validToDate.getTime() > now_ms + 9 * YEAR_MS);
  await rm(join(directory, "server.key"));
  assert.notEqual((await ensure()).serialNumber, second.serialNumber);

  const { certificate } = await ensureCertificate(directory, account, clock, "db.example.com");
  const named = new X509Certificate(await readFile(certificate));
  assert.ok(named.checkHost("db.example.com") && named.checkHost("ep-calm-river-1.db.example.com"));
  assert.ok(!named.checkHost("a.b.db.example.com") && named.checkIP("127.0.0.1"));
  await ensureCertificate(directory, account, clock, "db.example.com");
  assert.equal(new X509Certificate(await readFile(certificate)).serialNumber, named.serialNumber);
});
