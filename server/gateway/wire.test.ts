import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  encodeCancelRequest,
  encodeFatal,
  encodeMessage,
  encodeSaslInitialResponse,
  encodeStartup,
  messageBodyLength,
  parseBackendKey,
  parseFirstPacket,
  parseSaslInitialResponse,
  sqlstateOf,
  WireError,
} from "./wire.ts";

const text = fc.string({ unit: "grapheme", maxLength: 40 }).map((value) => value.replaceAll("\0", "").toWellFormed());
const name = text.filter((value) => value !== "" && !value.startsWith("_pq_."));
const parameters = fc
  .tuple(
    fc.dictionary(name, text, { maxKeys: 8 }),
    text.filter((value) => value !== ""),
  )
  .map(([others, user]) => new Map([...Object.entries(others), ["user", user]]));

function packet(code: number, body: Buffer | string = ""): Buffer {
  const data = Buffer.from(body);
  const head = Buffer.alloc(8);
  head.writeInt32BE(8 + data.length, 0);
  head.writeInt32BE(code, 4);
  return Buffer.concat([head, data]);
}
const version = (major: number, minor: number) => (major << 16) | minor;
const sqlstate = (code: string) => (error: unknown) => error instanceof WireError && error.sqlstate === code;

describe("the first packet", () => {
  it("is read as it was written, whatever the names and values", () => {
    const property = fc.property(parameters, (given) => {
      const parsed = parseFirstPacket(encodeStartup(given));
      assert.ok(parsed.kind === "startup");
      assert.deepEqual(parsed.parameters, given);
      assert.equal(parsed.minor, 0);
      assert.equal(parsed.negotiate, undefined);
    });
    fc.assert(property);
  });

  it("of any bytes is parsed or refused, and nothing else happens", () => {
    const code = fc.constantFrom(version(3, 0), version(3, 2), version(2, 0), 80877102, 80877103, 80877104);
    const property = fc.property(code, fc.uint8Array({ maxLength: 300 }), fc.boolean(), (number, bytes, framed) => {
      try {
        parseFirstPacket(framed ? packet(number, Buffer.from(bytes)) : Buffer.from(bytes));
      } catch (error) {
        assert.ok(error instanceof WireError, String(error));
      }
    });
    fc.assert(property, { numRuns: 1000 });
  });

  it("asks for encryption, or to cancel, with a key of 3.0 or 3.2", () => {
    assert.deepEqual(parseFirstPacket(packet(80877103)), { kind: "ssl_request" });
    assert.deepEqual(parseFirstPacket(packet(80877104)), { kind: "gssenc_request" });
    for (const bytes of [4, 32, 256]) {
      const key = { pid: 12345, secret: Buffer.alloc(bytes, 7) };
      assert.deepEqual(parseFirstPacket(encodeCancelRequest(key)), { kind: "cancel", key });
    }
    const long = { pid: 12345, secret: Buffer.alloc(257, 7) };
    assert.throws(() => parseFirstPacket(encodeCancelRequest(long)), sqlstate("08P01"));
    assert.throws(() => parseFirstPacket(packet(80877103, "more")), sqlstate("08P01"));
  });

  it("of protocol 3.2 is taken as it is, and of a later one is answered with what we speak", () => {
    const body = "user\0u\0\0";
    const minorOf = (number: number) => {
      const parsed = parseFirstPacket(packet(number, body));
      assert.ok(parsed.kind === "startup");
      return [parsed.minor, parsed.negotiate?.unknown_options];
    };
    assert.deepEqual(minorOf(version(3, 0)), [0, undefined]);
    assert.deepEqual(minorOf(version(3, 2)), [2, undefined]);
    assert.deepEqual(minorOf(version(3, 9999)), [2, []]);
    assert.throws(() => minorOf(version(2, 0)), sqlstate("0A000"));
    assert.throws(() => minorOf(version(4, 0)), sqlstate("0A000"));
  });

  it("with options of the protocol that we do not know names them back, and keeps them from the compute", () => {
    const parsed = parseFirstPacket(packet(version(3, 0), "_pq_.compression\0zstd\0user\0u\0\0"));
    assert.ok(parsed.kind === "startup");
    assert.deepEqual([...parsed.parameters], [["user", "u"]]);
    assert.deepEqual(parsed.negotiate, { unknown_options: ["_pq_.compression"] });
  });

  it("that is cut off, runs on, or names no user is refused", () => {
    for (const body of ["user\0u\0", "user\0u\0\0more", "user", "user\0", "\0user\0u\0\0"]) {
      assert.throws(() => parseFirstPacket(packet(version(3, 0), body)), sqlstate("08P01"), JSON.stringify(body));
    }
    assert.throws(() => parseFirstPacket(packet(version(3, 0), "database\0d\0\0")), sqlstate("28000"));
    assert.throws(() => parseFirstPacket(packet(version(3, 0), "user\0\0\0")), sqlstate("28000"));
  });

  it("that says it is long is refused before anything is waited for", () => {
    for (const length of [-1, 0, 4, 7, 10_001, 2 ** 31 - 1]) {
      const head = Buffer.alloc(8);
      head.writeInt32BE(length, 0);
      assert.throws(() => parseFirstPacket(head), sqlstate("08P01"), String(length));
    }
  });
});

describe("a message", () => {
  it("that says it is long, or shorter than nothing, is refused before it is waited for", () => {
    const head = (length: number) => {
      const out = Buffer.alloc(5, "p");
      out.writeInt32BE(length, 1);
      return out;
    };
    assert.equal(messageBodyLength(head(4), 1024), 0);
    assert.equal(messageBodyLength(head(1028), 1024), 1024);
    for (const length of [-1, 0, 3, 1029, 2 ** 31 - 1]) {
      assert.throws(() => messageBodyLength(head(length), 1024), sqlstate("08P01"));
    }
  });

  it("with a first SASL response is read as it was written, and of any bytes is parsed or refused", () => {
    const property = fc.property(text, fc.uint8Array({ maxLength: 60 }), (data, bytes) => {
      const encoded = encodeSaslInitialResponse("SCRAM-SHA-256", data).subarray(5);
      assert.deepEqual(parseSaslInitialResponse(encoded), { mechanism: "SCRAM-SHA-256", data });
      for (const parse of [parseSaslInitialResponse, parseBackendKey, sqlstateOf]) {
        try {
          parse(Buffer.from(bytes));
        } catch (error) {
          assert.ok(error instanceof WireError);
        }
      }
    });
    fc.assert(property);
  });

  it("with an error tells its SQLSTATE, and a text of the client's adds no field to it", () => {
    const encoded = encodeFatal({ sqlstate: "28P01", message: 'no user "x\0C00000\0"', hint: "try\0again" });
    assert.equal(sqlstateOf(encoded.subarray(5)), "28P01");
    const fields = encoded.subarray(5).toString().split("\0");
    assert.deepEqual(fields, ["SFATAL", "VFATAL", "C28P01", 'Mno user "xC00000"', "Htryagain", "", ""]);
    assert.equal(encoded.readInt32BE(1), encoded.length - 1);
    assert.deepEqual(encodeMessage("Z", "I"), Buffer.from([0x5a, 0, 0, 0, 5, 0x49]));
  });
});
