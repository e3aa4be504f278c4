import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { scramVerifier } from "../postgres/scram.ts";
import { mockVerifier, parseVerifier, ScramRelay, ScramServer, type Verifier, VerifierChanged } from "./scram.ts";
import { WireError } from "./wire.ts";

/** The exchange that RFC 7677 section 3 prints. */
const RFC = {
  salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
  client_first: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
  server_nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
  server_first: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
  client_final:
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
  server_final: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
};

async function verifierOf(password: string, salt?: string): Promise<Verifier> {
  const verifier = parseVerifier(await scramVerifier(password, salt ? Buffer.from(salt, "base64") : undefined));
  assert.ok(verifier);
  return verifier;
}

const CERTIFICATE_HASH = createHash("sha256").update("a certificate").digest();
const BINDING = "p=tls-server-end-point,,";
const server = (verifier: Verifier, binding?: Buffer) => new ScramServer({ verifier, exists: true, binding });
const sqlstate = (code: string) => (error: unknown) => error instanceof WireError && error.sqlstate === code;

describe("the server's side of SCRAM", () => {
  it("carries out the exchange of RFC 7677, and learns the key that signs in elsewhere", async () => {
    const verifier = await verifierOf("pencil", RFC.salt);
    const exchange = new ScramServer({ verifier, exists: true, binding: undefined, nonce: RFC.server_nonce });
    assert.equal(exchange.start("SCRAM-SHA-256", RFC.client_first), RFC.server_first);
    const proven = exchange.finish(RFC.client_final);
    assert.equal(proven?.server_final, RFC.server_final);
    assert.deepEqual(createHash("sha256").update(proven.client_key).digest(), verifier.stored_key);
  });

  it("refuses a proof of another password, and of one who does not exist", async () => {
    const wrong = await verifierOf("pencils", RFC.salt);
    const right = await verifierOf("pencil", RFC.salt);
    for (const [verifier, exists] of [
      [wrong, true],
      [right, false],
    ] as const) {
      const exchange = new ScramServer({ verifier, exists, binding: undefined, nonce: RFC.server_nonce });
      exchange.start("SCRAM-SHA-256", RFC.client_first);
      assert.equal(exchange.finish(RFC.client_final), undefined);
    }
  });

  it("takes exactly the password that the verifier is of, over a channel that is bound or not", async () => {
    const password = fc.string({
      unit: fc.integer({ min: 0x20, max: 0x7e }).map((c) => String.fromCharCode(c)),
      minLength: 1,
    });
    const property = fc.asyncProperty(password, fc.boolean(), async (text, bound) => {
      const verifier = await verifierOf(text);
      const other = await verifierOf(`${text}x`, verifier.salt);
      const binding = bound ? CERTIFICATE_HASH : undefined;
      assert.ok(await tryOut(verifier, await keysOf(text, verifier), binding));
      assert.ok(!(await tryOut(other, await keysOf(text, verifier), binding)));
    });
    await fc.assert(property, { numRuns: 15 });
  });

  it("notices that somebody has taken the offer of channel binding away", async () => {
    const exchange = server(await verifierOf("pencil"), CERTIFICATE_HASH);
    assert.deepEqual(exchange.mechanisms(), ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]);
    assert.throws(() => exchange.start("SCRAM-SHA-256", "y,,n=,r=abc"), sqlstate("28000"));
  });

  it("lets a client say that it could bind the channel where there is none", async () => {
    const exchange = server(await verifierOf("pencil"));
    assert.deepEqual(exchange.mechanisms(), ["SCRAM-SHA-256"]);
    assert.match(exchange.start("SCRAM-SHA-256", "y,,n=,r=abc"), /^r=abc.+,s=/);
  });

  it("refuses a channel that is bound to another certificate, as one in the middle has", async () => {
    const verifier = await verifierOf("pencil");
    const exchange = server(verifier, CERTIFICATE_HASH);
    const first = exchange.start("SCRAM-SHA-256-PLUS", `${BINDING}n=,r=abc`);
    const nonce = /r=([^,]+)/.exec(first)?.[1];
    const channel = Buffer.concat([Buffer.from(BINDING), randomBytes(32)]).toString("base64");
    const final = `c=${channel},r=${nonce},p=${randomBytes(32).toString("base64")}`;
    assert.throws(() => exchange.finish(final), sqlstate("28000"));
  });

  it("refuses what the grammar does not have", async () => {
    const verifier = await verifierOf("pencil");
    const firsts: [mechanism: string, text: string][] = [
      ["SCRAM-SHA-256", ""],
      ["SCRAM-SHA-256", "n,,n=user"],
      ["SCRAM-SHA-256", "n,,r=abc"],
      ["SCRAM-SHA-256", "n,,n=,r="],
      ["SCRAM-SHA-256", "n,a=somebody,n=,r=abc"],
      ["SCRAM-SHA-256", "n,,m=ext,n=,r=abc"],
      ["SCRAM-SHA-256", `${BINDING}n=,r=abc`],
      ["SCRAM-SHA-256-PLUS", "n,,n=,r=abc"],
      ["SCRAM-SHA-256-PLUS", "p=tls-unique,,n=,r=abc"],
      ["SCRAM-SHA-1", "n,,n=,r=abc"],
    ];
    for (const [mechanism, text] of firsts) {
      assert.throws(() => server(verifier, CERTIFICATE_HASH).start(mechanism, text), WireError, text);
    }
    const proof = randomBytes(32).toString("base64");
    const finals = [
      "",
      `c=biws,r=NONCE`,
      `c=biws,r=other,p=${proof}`,
      `c=eSws,r=NONCE,p=${proof}`,
      `r=NONCE,p=${proof}`,
    ];
    for (const text of finals) {
      const exchange = server(verifier);
      const nonce = /r=([^,]+)/.exec(exchange.start("SCRAM-SHA-256", "n,,n=,r=abc"))?.[1] ?? "";
      assert.throws(() => exchange.finish(text.replace("NONCE", nonce)), WireError, text);
    }
    assert.throws(() => server(verifier).finish(RFC.client_final), WireError);
  });

  it("stands any text", async () => {
    const verifier = await verifierOf("pencil");
    const property = fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (first, final) => {
      const exchange = server(verifier);
      for (const work of [() => exchange.start("SCRAM-SHA-256", first), () => exchange.finish(final)]) {
        try {
          work();
        } catch (error) {
          assert.ok(error instanceof WireError);
        }
      }
    });
    fc.assert(property);
  });
});

describe("the verifier of somebody who does not exist", () => {
  const key = randomBytes(32);

  it("has the same salt at every try, and looks like a real one", async () => {
    const [first, second] = [mockVerifier(key, "ep-a", "role"), mockVerifier(key, "ep-a", "role")];
    assert.equal(first.salt, second.salt);
    const real = await verifierOf("pencil");
    assert.equal(first.salt.length, real.salt.length);
    assert.equal(first.iterations, real.iterations);
    assert.notEqual(first.salt, mockVerifier(key, "ep-a", "other").salt);
    assert.notEqual(first.salt, mockVerifier(key, "ep-b", "role").salt);
    assert.notEqual(first.salt, mockVerifier(randomBytes(32), "ep-a", "role").salt);
  });
});

describe("signing in elsewhere without the password", () => {
  it("carries out the exchange of RFC 7677 with the key alone", async () => {
    const verifier = await verifierOf("pencil", RFC.salt);
    const exchange = new ScramServer({ verifier, exists: true, binding: undefined, nonce: RFC.server_nonce });
    exchange.start("SCRAM-SHA-256", RFC.client_first);
    const proven = exchange.finish(RFC.client_final);
    assert.ok(proven);
    assert.ok(await tryOut(verifier, proven, undefined));
  });

  it("tells a role whose password has been set since, and one who only plays the server", async () => {
    const verifier = await verifierOf("pencil");
    const relay = new ScramRelay(await keysOf("pencil", verifier), "abc");
    assert.throws(() => relay.respond("r=abcdef,s=AAAA,i=4096"), VerifierChanged);
    assert.throws(() => relay.respond(`r=ab,s=${verifier.salt},i=4096`), WireError);
    assert.throws(() => relay.respond(`r=abc,s=${verifier.salt},i=4096`), WireError, "a nonce of ours alone");
    relay.respond(`r=abcdef,s=${verifier.salt},i=4096`);
    assert.ok(!relay.isServerProven(`v=${randomBytes(32).toString("base64")}`));
    assert.ok(!relay.isServerProven("v=short"));
    assert.ok(!relay.isServerProven(""));
  });
});

/** What a client that knows the password has. */
async function keysOf(password: string, { salt, server_key }: Verifier) {
  const { createHmac, pbkdf2Sync } = await import("node:crypto");
  const salted = pbkdf2Sync(password, Buffer.from(salt, "base64"), 4096, 32, "sha256");
  return { client_key: createHmac("sha256", salted).update("Client Key").digest(), server_key, salt };
}

/** Both sides of ours against one another; the client's has no channel binding, so that is put in by hand. */
async function tryOut(
  verifier: Verifier,
  keys: { client_key: Buffer; server_key: Buffer; salt: string },
  binding: Buffer | undefined,
): Promise<boolean> {
  const exchange = server(verifier, binding);
  const relay = new ScramRelay(keys);
  const first = exchange.start("SCRAM-SHA-256", relay.first());
  const proven = exchange.finish(relay.respond(first));
  return proven !== undefined && relay.isServerProven(proven.server_final);
}
