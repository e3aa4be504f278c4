import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it, type TestContext } from "node:test";
import { generate } from "selfsigned";
import { makeTlsIdentity, TlsFiles } from "./tls-identity.ts";

const make = (algorithm: string, keyType: "ec" | "rsa" = "ec") =>
  generate([{ name: "commonName", value: "localhost" }], { keyType, algorithm });

it("channel binding takes the hash that the certificate is signed with", async () => {
  for (const [algorithm, keyType, hash] of [
    ["sha256", "ec", "sha256"],
    ["sha384", "ec", "sha384"],
    ["sha512", "rsa", "sha512"],
    ["sha1", "rsa", "sha256"],
  ] as const) {
    const made = await make(algorithm, keyType);
    const expected = createHash(hash).update(new X509Certificate(made.cert).raw).digest();
    assert.deepEqual(makeTlsIdentity(made.cert, made.private).end_point_hash, expected, algorithm);
  }
});

async function makeFiles(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), "latchkey-tls-"));
  t.after(() => rm(directory, { recursive: true }));
  const paths = { certificate: join(directory, "server.crt"), key: join(directory, "server.key") };
  const write = async (certificate: string, key: string) => {
    await writeFile(paths.certificate, certificate);
    await writeFile(paths.key, key);
  };
  return { paths, write };
}

it("a renewed certificate is taken up, and one that does not fit its key is not", async (t) => {
  const { paths, write } = await makeFiles(t);
  const [first, second] = [await make("sha256"), await make("sha256")];
  await write(first.cert, first.private);
  const files = await TlsFiles.open(paths);
  const { identity } = files;
  assert.equal(await files.refresh(), false);
  await write(second.cert, first.private);
  await assert.rejects(files.refresh());
  assert.equal(files.identity, identity);
  await write("half a file", second.private);
  await assert.rejects(files.refresh());
  assert.equal(files.identity, identity);
  await write(second.cert, second.private);
  assert.equal(await files.refresh(), true);
  assert.notDeepEqual(files.identity.end_point_hash, identity.end_point_hash);
});

it("files that are not there, or do not fit, are told of at the start", async (t) => {
  const { paths, write } = await makeFiles(t);
  await assert.rejects(TlsFiles.open(paths), { name: "CertificateError", message: /ENOENT.*LATCHKEY_PG_CERTIFICATE/ });
  const [first, second] = [await make("sha256"), await make("sha256")];
  await write(first.cert, second.private);
  await assert.rejects(TlsFiles.open(paths), { name: "CertificateError" });
});
