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
