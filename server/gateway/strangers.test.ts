import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import type pg from "pg";
import { until } from "../postgres/testing.ts";
import { ENDPOINT, type Front, makeStage, openFront, openSession, PASSWORD, type Stage, Wire } from "./test-gateway.ts";
import { encodeSaslInitialResponse, encodeSaslResponse, encodeStartup } from "./wire.ts";

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

describe("a stranger at the gateway", () => {
  let stage: Stage;
  const closing: (() => unknown)[] = [];
  before(async () => {
    stage = await makeStage({ after: (work) => void closing.push(work as () => unknown) });
  });
  after(async () => {
    for (const work of closing) await work();
  });

  const refusalOf = async (config: pg.ClientConfig) => {
    const error = await openSession(config).then(
      () => assert.fail("let in"),
      (refusal) => refusal,
    );
    const { code, message, severity, detail, hint } = error;
    return { code, message, severity, detail, hint };
  };

  const cases = (front: Front): Record<string, pg.ClientConfig> => ({
    unknown_endpoint: front.config({ options: "endpoint=ep-none-such-1" }),
    unknown_role: front.config({ user: "nobody" }),
    wrong_password: front.config({ password: "wrong" }),
  });

  it("wakes nothing: not with a wrong password, an unknown role, an unknown endpoint, or half an exchange", async (t) => {
    const front = await openFront(t, stage);
    for (const config of Object.values(cases(front))) await refusalOf(config);
    for (const pieces of [
      [],
      [startup("owner")],
      [startup("owner"), first()],
      [SSL_REQUEST],
      [SSL_REQUEST, randomBytes(40)],
    ]) {
      const wire = await Wire.open(front.port);
      for (const piece of pieces) {
        wire.socket.write(piece);
        await wire.waitFor(1).catch(() => undefined);
      }
      wire.socket.destroy();
    }
    await until("all have gone", () => front.gateway.half_open === 0);
    assert.equal(front.wakes, 0);
    assert.deepEqual(front.gateway.trafficOf(ENDPOINT), {
      opening: 0,
      open: 0,
      busy: 0,
      busy_chunks: 0,
      last_activity_ms: undefined,
      settled: 0,
      sent_bytes: 0,
    });
  });

  it("learns from no answer whether an endpoint or a role exists, while the log knows", async (t) => {
    const front = await openFront(t, stage);
    for (const [reason, config] of Object.entries(cases(front))) {
      for (const ssl of [false, { rejectUnauthorized: false }]) {
        assert.deepEqual(await refusalOf({ ...config, ssl }), {
          code: "28P01",
          message: `password authentication failed for user "${config.user}"`,
          severity: "FATAL",
          detail: undefined,
          hint: undefined,
        });
        const last = front.events.at(-1);
        assert.ok(last?.event === "refused" && last.reason === reason, JSON.stringify(last));
      }
    }
  });

  it("sees the same bytes, with a salt that stays, whether an endpoint or a role exists or not", async (t) => {
    const front = await openFront(t, stage);
    const shapes = new Set<string>();
    const others = new Set<string>();
    for (const [user, endpoint] of [
      ["owner", ENDPOINT],
      ["other", ENDPOINT],
      ["owner", "ep-none-such-1"],
      ["owner", "../../etc/passwd"],
      ["owner", "EP-TEST' OR 1=1 --"],
    ] as const) {
      const salts = new Set<string>();
      for (let i = 0; i < 2; i++) {
        const wire = await Wire.open(front.port);
        wire.socket.write(startup(user, endpoint.replaceAll(" ", "\\ ")));
        const offer = (await wire.waitFor(24)).length;
        wire.socket.write(first());
        const answer = (await wire.waitFor(offer + 72)).toString("latin1", offer + 9);
        const [, server_nonce = "", salt = "", iterations] = /^r=abc([^,]*),s=([^,]*),i=(\d+)$/.exec(answer) ?? [];
        salts.add(salt);
        shapes.add(
          `${wire.received.subarray(0, offer).toString("hex")} ${server_nonce.length} ${salt.length} ${iterations}`,
        );
        wire.socket.write(encodeSaslResponse(`c=biws,r=abc${server_nonce},p=${randomBytes(32).toString("base64")}`));
        await wire.closed;
        others.add(wire.received.toString("latin1", offer + 9 + answer.length).replace(/"\w+"/, '"user"'));
      }
      assert.equal(salts.size, 1, `the salt of ${user} at ${endpoint} changes`);
    }
    assert.equal(shapes.size, 1, [...shapes].join("\n"));
    assert.equal(others.size, 1, [...others].join("\n"));
  });

  it("costs the same questions to the directory, whatever exists", async (t) => {
    const asked: string[] = [];
    const front = await openFront(t, stage, {
      directory: {
        findTarget: async (id) => {
          asked.push("target");
          return id === ENDPOINT ? { allowed_ips: [], max_connections: 9 } : undefined;
        },
        findVerifier: async (id, role) => {
          asked.push("verifier");
          return id === ENDPOINT && role === "owner" ? stage.verifier : undefined;
        },
      },
    });
    for (const config of Object.values(cases(front))) {
      await refusalOf(config);
      assert.deepEqual(asked.splice(0).sort(), ["target", "verifier"]);
    }
  });

  it("is not told of a list of addresses; who has the password is, and wakes nothing", async (t) => {
    const front = await openFront(t, stage);
    front.target = { allowed_ips: ["203.0.113.0/24"], max_connections: 9 };
    assert.equal((await refusalOf(front.config({ password: "wrong" }))).code, "28P01");
    const refusal = await refusalOf(front.config());
    assert.equal(refusal.code, "28000");
    assert.match(refusal.message, /IP address 127\.0\.0\.1 is not allowed/);
    assert.equal(front.wakes, 0);
    front.target = { allowed_ips: ["127.0.0.0/8"], max_connections: 9 };
    await (await openSession(front.config())).end();
  });

  it("cannot shut others out with connections that say nothing", async (t) => {
    const front = await openFront(t, stage, { limits: { half_open: 40 } });
    const flood: Wire[] = [];
    for (let i = 0; i < 200; i++) {
      flood.push(await Wire.open(front.port));
      if (i % 3 === 0) flood.at(-1)?.socket.write(SSL_REQUEST);
      if (i % 7 === 0) flood.at(-1)?.socket.write(startup("owner"));
    }
    await until("the doorway is full", () => front.gateway.half_open === 40);
    const session = await openSession(front.config());
    assert.deepEqual((await session.query("SELECT 1 AS one")).rows, [{ one: 1 }]);
    assert.ok(front.gateway.half_open <= 40);
    for (const wire of flood) wire.socket.destroy();
    await session.end();
    await until("the doorway is empty", () => front.gateway.half_open === 0);
  });

  it("is thrown out when it takes too long, at whichever step it stops; a client that is in is not", async (t) => {
    const front = await openFront(t, stage, { limits: { half_open_ms: 150 } });
    const session = await openSession(front.config());
    const wires = await Promise.all(
      [[], [Buffer.from([0, 0])], [SSL_REQUEST], [startup("owner")], [startup("owner"), first()]].map(
        async (pieces) => {
          const wire = await Wire.open(front.port);
          for (const piece of pieces) wire.socket.write(piece);
          return wire;
        },
      ),
    );
    await Promise.all(wires.map((wire) => wire.closed));
    assert.equal(front.events.filter((event) => event.event === "refused" && event.reason === "deadline").length, 5);
    assert.deepEqual((await session.query("SELECT 1 AS one")).rows, [{ one: 1 }]);
    await session.end();
  });

  it("cannot put words into a client's mouth ahead of TLS", async (t) => {
    const front = await openFront(t, stage);
    const wire = await Wire.open(front.port);
    wire.socket.write(Buffer.concat([SSL_REQUEST, startup("owner")]));
    await wire.closed;
    assert.match(wire.received.toString("latin1"), /^E.*C08P01.*unencrypted data after SSL request/s);
  });

  it("gets nowhere with bytes that are no Postgres, and others do not notice", async (t) => {
    const front = await openFront(t, stage, { limits: { half_open_ms: 500 } });
    const piece = fc.oneof(
      fc.constant(SSL_REQUEST),
      fc.constant(startup("owner")),
      fc.constant(first()),
      fc.constant(Buffer.from("GET / HTTP/1.1\r\n\r\n")),
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    );
    const property = fc.asyncProperty(fc.array(piece, { maxLength: 4 }), async (pieces) => {
      const wire = await Wire.open(front.port);
      for (const bytes of pieces) wire.socket.write(bytes);
      wire.socket.end();
      await wire.closed;
    });
    await fc.assert(property, { numRuns: 150 });
    assert.equal(front.wakes, 0);
    assert.deepEqual(
      front.events.filter(({ event }) => event === "failed"),
      [],
    );
    await (await openSession(front.config())).end();
  });

  it("cannot make the gateway hold what it sends", async (t) => {
    const front = await openFront(t, stage);
    const huge = Buffer.alloc(5, "p");
    huge.writeInt32BE(1_000_000, 1);
    for (const pieces of [
      [Buffer.from([0x7f, 0xff, 0xff, 0xff])],
      [startup("owner"), huge],
      [startup("owner"), Buffer.from([0x51, 0, 0, 0, 4])],
    ]) {
      const wire = await Wire.open(front.port);
      for (const bytes of pieces) wire.socket.write(bytes);
      await wire.closed;
      assert.match(wire.received.toString("latin1"), /C08P01/);
    }
  });

  it("learns no more when the directory does not answer", async (t) => {
    const front = await openFront(t, stage, {
      directory: { findTarget: () => Promise.reject(new Error("connect ECONNREFUSED 10.0.0.7:5432")) },
    });
    for (const config of Object.values(cases(front))) {
      const refusal = await refusalOf(config);
      assert.equal(refusal.code, "57P03");
      assert.doesNotMatch(refusal.message, /10\.0\.0\.7/);
    }
  });

  it("is not told a role's password or its keys by any event", async (t) => {
    const front = await openFront(t, stage);
    await (await openSession(front.config())).end();
    for (const config of Object.values(cases(front))) await refusalOf(config);
    const said = JSON.stringify(front.events);
    assert.ok(said.length > 100);
    for (const secret of [PASSWORD, ...stage.verifier.split(/[$:]/).slice(2)]) assert.ok(!said.includes(secret));
  });
});

function startup(user: string, endpoint: string = ENDPOINT): Buffer {
  return encodeStartup(
    new Map([
      ["user", user],
      ["database", "app"],
      ["options", `endpoint=${endpoint}`],
    ]),
  );
}

function first(): Buffer {
  return encodeSaslInitialResponse("SCRAM-SHA-256", "n,,n=,r=abc");
}
