import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";
import { ConfigError, parseConfig, printConfig } from "./config.ts";

test("an empty environment gives the documented defaults", () => {
  const config = parseConfig({});
  assert.equal(config.host, "127.0.0.1");
  assert.equal(config.port, 4400);
  assert.equal(config.data_dir, resolve("data"));
  assert.equal(config.public_url, "http://127.0.0.1:4400");
  assert.equal(config.database_url, undefined);
  assert.equal(config.sign_up, "invitation");
  assert.ok(Object.isFrozen(config));
});

test("an unknown LATCHKEY_ setting is refused with the nearest name", () => {
  assert.throws(
    () => parseConfig({ LATCHKEY_PROT: "1" }),
    /LATCHKEY_PROT is not a setting; did you mean LATCHKEY_PORT\?/,
  );
  assert.throws(() => parseConfig({ LATCHKEY_DATADIR: "x" }), /did you mean LATCHKEY_DATA_DIR\?/);
});

test("a setting of the latchkey command does not stop a server beside it", () => {
  assert.equal(parseConfig({ LATCHKEY_URL: "http://127.0.0.1:4400", LATCHKEY_API_KEY: "x" }).port, 4400);
});

test("every mistake is told at once, and no value is echoed", () => {
  const environment = {
    LATCHKEY_PORT: "http",
    LATCHKEY_LOG_LEVEL: "loud",
    LATCHKEY_PUBLIC_URL: "ftp://x",
    DATABASE_URL: "mysql://u:hunter2@h/d",
    LATCHKEY_SECRET_KEY: "hunter3",
    LATCHKEY_METRICS_TOKEN: "hunter4",
  };
  assert.throws(
    () => parseConfig(environment),
    (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      for (const name of Object.keys(environment)) assert.ok(error.message.includes(name), name);
      assert.ok(!/hunter/.test(error.message));
      return true;
    },
  );
});

test("--print-config shows every setting and no secret", () => {
  const printed = printConfig(
    parseConfig({
      DATABASE_URL: "postgresql://u:hunter2@h/d",
      LATCHKEY_SECRET_KEY: "a".repeat(43),
      LATCHKEY_SMTP_URL: "smtp://u:hunter2@h",
      LATCHKEY_METRICS_TOKEN: "hunter2hunter2hunter2",
    }),
  );
  assert.ok(!/hunter2|aaaa/.test(printed));
  assert.match(printed, /^LATCHKEY_PORT=4400 /m);
  assert.match(printed, /^DATABASE_URL=\[redacted\] /m);
});

test("an IPv6 host makes a valid public URL", () => {
  assert.equal(parseConfig({ LATCHKEY_HOST: "::1" }).public_url, "http://[::1]:4400");
});

test("settings of the gateway: a domain with or without a port, a certificate only with its key", () => {
  assert.equal(parseConfig({}).pg_port, 4432);
  assert.equal(parseConfig({}).pg_plaintext, "loopback");
  const domain = (text: string) => parseConfig({ LATCHKEY_PG_DOMAIN: text }).pg_domain;
  assert.deepEqual(domain("DB.example.com"), { name: "db.example.com", port: undefined });
  assert.deepEqual(domain("db.example.com:5432"), { name: "db.example.com", port: 5432 });
  for (const text of ["*.example.com", "-x.example", "a..b", "db.example.com:0", "db.example.com:70000", "a b"]) {
    assert.throws(() => domain(text), /LATCHKEY_PG_DOMAIN must be/, text);
  }
  assert.throws(() => parseConfig({ LATCHKEY_PG_KEY: "key.pem" }), /both, or neither/);
  assert.throws(
    () => parseConfig({ LATCHKEY_PG_DOMAIN: "db.example.com", LATCHKEY_PG_PORT: "0" }),
    /must not be 0 with LATCHKEY_PG_DOMAIN/,
  );
  const printed = printConfig(parseConfig({ LATCHKEY_PG_DOMAIN: "db.example.com:5432" }));
  assert.match(printed, /^LATCHKEY_PG_DOMAIN=db\.example\.com:5432 /m);
});

test("the address for other nodes is HOST:PORT, and means nothing without a database that they share", () => {
  const DATABASE_URL = "postgresql://h/d";
  const address = (text: string) => parseConfig({ DATABASE_URL, LATCHKEY_NODE_ADDRESS: text }).node_address;
  assert.deepEqual(address("10.0.0.5:4433"), { text: "10.0.0.5:4433", host: "10.0.0.5", port: 4433, loopback: false });
  assert.deepEqual(address("[::1]:4433"), { text: "[::1]:4433", host: "::1", port: 4433, loopback: true });
  for (const text of ["10.0.0.5", ":4433", "a b:1", "host:0", "host:70000", "http://host:1"]) {
    assert.throws(() => address(text), /LATCHKEY_NODE_ADDRESS must be HOST:PORT/);
  }
  assert.throws(() => parseConfig({ LATCHKEY_NODE_ADDRESS: "10.0.0.5:4433" }), /needs a DATABASE_URL/);
});

test("rate limits: off unless asked for, Neon's figures by name, or figures of one's own in the place of some of them", () => {
  const limits = (text?: string) => parseConfig(text === undefined ? {} : { LATCHKEY_RATE_LIMITS: text }).rate_limits;
  // As Neon documents them; the name promises these and no others.
  const neon = { per_minute: 700, per_second: 40, key_creations_per_second: 10 };
  assert.equal(limits(), undefined);
  assert.equal(limits("off"), undefined);
  assert.deepEqual(limits("neon"), neon);
  assert.deepEqual(limits("per_second=3"), { ...neon, per_second: 3 });
  assert.deepEqual(limits("per_minute=6000, per_second = 100,key_creations_per_second=1"), {
    per_minute: 6_000,
    per_second: 100,
    key_creations_per_second: 1,
  });
  for (const text of ["on", "Neon", "700", "per_second", "per_second=", "per_second=0", "per_second=-1"]) {
    assert.throws(() => limits(text), /LATCHKEY_RATE_LIMITS must be off, neon, or figures such as per_minute=/, text);
  }
  for (const text of ["per_second=1.5", "per_second=1e3", "per_hour=5", "per_second=3,", "neon,per_second=3"]) {
    assert.throws(() => limits(text), /LATCHKEY_RATE_LIMITS must be/, text);
  }
  const line = (text: string) =>
    /^LATCHKEY_RATE_LIMITS=(\S+) /m.exec(printConfig(parseConfig({ LATCHKEY_RATE_LIMITS: text })));
  assert.equal(line("off")?.[1], "off");
  const printed = line("per_second=3")?.[1] ?? "";
  assert.deepEqual(limits(printed), { ...neon, per_second: 3 }, "what is printed can be set");
});

test("the memory for keys is a number of bytes with a unit that people write", () => {
  const bytes = (text: string) => parseConfig({ LATCHKEY_KEY_CACHE_BYTES: text }).key_cache_bytes;
  assert.equal(parseConfig({}).key_cache_bytes, 64 * 2 ** 20);
  assert.equal(bytes("0"), 0);
  assert.equal(bytes("4096"), 4_096);
  assert.equal(bytes("16k"), 16 * 2 ** 10);
  assert.equal(bytes("64m"), 64 * 2 ** 20);
  assert.equal(bytes("2G"), 2 * 2 ** 30);
  assert.equal(bytes("8g"), 8 * 2 ** 30);
  for (const text of ["-1", "1.5m", "64mb", "m", "64 m", "9g", "8589934593", "1e6", "0x10", "9999999999999"]) {
    assert.throws(() => bytes(text), /LATCHKEY_KEY_CACHE_BYTES must be a number of bytes such as 64m, up to 8g/, text);
  }
});
