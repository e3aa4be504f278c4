import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Arrival, routeTo } from "./routing.ts";
import { WireError } from "./wire.ts";

const DOMAIN = "db.example.com";
const ID = "ep-cool-river-1";

function route(given: { sni?: string; options?: string; port?: string }, domain: string | undefined = DOMAIN) {
  const parameters = new Map([
    ["user", "u"],
    ...(given.options === undefined ? [] : [["options", given.options] as const]),
  ]);
  const arrival: Arrival = { server_name: given.sni, port_endpoint_id: given.port, parameters };
  return routeTo(arrival, domain);
}

describe("routing", () => {
  it("finds the endpoint by name, by option and by port", () => {
    for (const given of [
      { sni: `${ID}.${DOMAIN}` },
      { sni: `${ID.toUpperCase()}.DB.Example.com` },
      { options: `endpoint=${ID}` },
      { options: `endpoint%3D${ID}` },
      { options: `project=${ID}` },
      { port: ID },
      { sni: `${ID}.${DOMAIN}`, options: `endpoint=${ID}`, port: ID },
    ]) {
      const { endpoint_id, pooled } = route(given);
      assert.deepEqual({ endpoint_id, pooled }, { endpoint_id: ID, pooled: false }, JSON.stringify(given));
    }
  });

  it("knows the pooler's name", () => {
    for (const given of [{ sni: `${ID}-pooler.${DOMAIN}` }, { sni: `${ID}-pooler.${DOMAIN}`, port: ID }]) {
      const { endpoint_id, pooled } = route(given);
      assert.deepEqual({ endpoint_id, pooled }, { endpoint_id: ID, pooled: true });
    }
  });

  it("refuses a client that asks for the past, by name, rather than showing it the present", () => {
    for (const [name, options] of [
      ["neon_timestamp", "neon_timestamp:2024-01-01T00:00:00Z"],
      ["neon_lsn", "neon_lsn:0/16B3748"],
      ["neon_lsn", `endpoint=${ID} neon_lsn=0/16B3748`],
    ] as const) {
      const refusal = { sqlstate: "0A000", message: `${name} is not available in Latchkey` };
      assert.throws(() => route({ options, port: ID }), refusal, options);
    }
  });

  it("refuses a client that names two endpoints", () => {
    const other = "ep-other-1";
    for (const given of [
      { sni: `${ID}.${DOMAIN}`, options: `endpoint=${other}` },
      { sni: `${ID}.${DOMAIN}`, port: other },
      { options: `endpoint=${ID}`, port: other },
      { options: `endpoint=${ID} endpoint=${other}` },
    ]) {
      assert.throws(() => route(given), WireError, JSON.stringify(given));
    }
  });

  it("refuses a client that names none: another name in TLS says nothing", () => {
    for (const given of [
      {},
      { sni: "localhost" },
      { sni: DOMAIN },
      { sni: `a.b.${DOMAIN}` },
      { sni: `${ID}.evil.com` },
    ]) {
      assert.throws(() => route(given), WireError, JSON.stringify(given));
    }
    assert.throws(() =>
      routeTo({ server_name: `${ID}.x`, port_endpoint_id: undefined, parameters: new Map() }, undefined),
    );
    assert.equal(route({ sni: "localhost", port: ID }).endpoint_id, ID);
  });

  it("takes its own option out and leaves the others as they are", () => {
    const left = (options: string) => route({ options, port: ID }).parameters.get("options");
    assert.equal(left(`endpoint=${ID}`), undefined);
    assert.equal(left(`-c geqo=off endpoint=${ID} -c work_mem=1MB`), "-c geqo=off -c work_mem=1MB");
    assert.equal(left(`-c search_path=a\\ endpoint=x endpoint%3d${ID}`), "-c search_path=a\\ endpoint=x");
    assert.equal(left("-c  geqo=off"), "-c  geqo=off");
    assert.equal(left("\\"), "\\");
    assert.equal(left(""), "");
  });

  it("keeps from the compute what connection strings say to clients, and passes everything else on", () => {
    const given = new Map([
      ["user", "owner"],
      ["channel_binding", "require"],
      ["application_name", "shop"],
      ["search_path", "app"],
    ]);
    const { parameters } = routeTo({ server_name: undefined, port_endpoint_id: ID, parameters: given }, undefined);
    assert.deepEqual([...parameters.keys()], ["user", "application_name", "search_path"]);
  });

  it("refuses a name longer than any id", () => {
    assert.throws(() => route({ options: `endpoint=${"x".repeat(64)}` }), WireError);
    assert.equal(route({ options: `endpoint=${"x".repeat(63)}` }).endpoint_id.length, 63);
  });
});
