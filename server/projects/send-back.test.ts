import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { neonDocument } from "../../test/harness/neon-openapi.ts";
import { openPlaneWithProject, type Plane } from "../jobs/test-plane.ts";

interface Schema {
  readonly properties: Record<string, Schema>;
}
type Thing = Record<string, unknown>;
type Answer = Record<string, Thing> & { readonly operations?: unknown; readonly message?: unknown };

const { schemas } = neonDocument.components as unknown as { schemas: Record<string, Schema> };

/** The fields that Neon's document lets a change have. */
const changeable = (kind: "project" | "endpoint" | "branch") => {
  const request = schemas[`${kind.charAt(0).toUpperCase()}${kind.slice(1)}UpdateRequest`];
  return Object.keys(request?.properties[kind]?.properties ?? {});
};

describe("clients that read a thing, change a part of it and send back all that they know", () => {
  let plane: Plane;
  let paths: Record<"project" | "endpoint" | "branch", string>;
  before(async () => {
    const { plane: opened, root } = await openPlaneWithProject();
    plane = opened;
    const project = `/projects/${root.project.id}`;
    const made = await plane.call<{ branch: { id: string } }>("POST", `${project}/branches`, {
      body: { branch: { name: "preview", archived: false, expires_at: "2099-01-01T00:00:00Z" } },
    });
    assert.equal(made.status, 201);
    await plane.carryOut();
    paths = {
      project,
      endpoint: `${project}/endpoints/${root.endpoints[0].id}`,
      branch: `${project}/branches/${made.body.branch.id}`,
    };
  });
  after(() => plane.close());

  const read = async (kind: keyof typeof paths) => {
    const { updated_at: _, ...rest } = (await plane.call<Answer>("GET", paths[kind])).body[kind] ?? {};
    return rest;
  };
  const change = (kind: keyof typeof paths, wanted: Thing) =>
    plane.call<Answer>("PATCH", paths[kind], { body: { [kind]: wanted } });

  for (const [kind, told] of [
    ["project", ["name", "settings", "default_endpoint_settings", "history_retention_seconds"]],
    [
      "endpoint",
      [
        ...["branch_id", "autoscaling_limit_min_cu", "autoscaling_limit_max_cu", "provisioner", "settings"],
        ...["pooler_enabled", "pooler_mode", "disabled", "passwordless_access", "suspend_timeout_seconds"],
      ],
    ],
    ["branch", ["name", "protected", "expires_at"]],
  ] as const) {
    it(`change nothing of the ${kind} by that, field by field and all at once`, async () => {
      if (kind === "project") {
        const settings = { enable_logical_replication: false, block_public_connections: false, hipaa: false };
        const default_endpoint_settings = { autoscaling_limit_max_cu: 0.25, suspend_timeout_seconds: 600 };
        const set = await change(kind, {
          settings: { ...settings, block_vpc_connections: false },
          default_endpoint_settings,
        });
        assert.equal(set.status, 200, String(set.body.message));
      }
      const before = await read(kind);
      const fields = changeable(kind).filter((name) => name in before);
      assert.deepEqual(fields.toSorted(), [...told].toSorted(), "Neon's document has other fields by now");
      const all = Object.fromEntries(fields.map((name) => [name, before[name]]));
      for (const wanted of [...fields.map((name) => ({ [name]: before[name] })), all]) {
        const { status, body } = await change(kind, wanted);
        assert.equal(status, 200, `${JSON.stringify(wanted)}: ${body.message}`);
        assert.deepEqual(body.operations, [], JSON.stringify(wanted));
        assert.deepEqual(await read(kind), before);
      }
    });
  }

  it("are told by name what is not to be had here", async () => {
    const refused: [keyof typeof paths, string, unknown][] = [
      ["project", "history_retention_seconds", 86_400],
      ...["enable_logical_replication", "block_public_connections", "block_vpc_connections", "hipaa"].map(
        (name): ["project", string, unknown] => ["project", `settings.${name}`, true],
      ),
      ["endpoint", "passwordless_access", true],
      ["endpoint", "provisioner", "k8s-neonvm"],
      ["endpoint", "pooler_mode", "session"],
      ["endpoint", "branch_id", "br-another-one-1"],
      ["endpoint", "pooler_enabled", !(await read("endpoint")).pooler_enabled],
    ];
    for (const [kind, name, value] of refused) {
      const [first = "", second] = name.split(".");
      const { status, body } = await change(kind, { [first]: second === undefined ? value : { [second]: value } });
      const message = String(body.message);
      assert.equal(status, 400, name);
      assert.ok(message.includes(`${name}"`) && message.includes("not available in Latchkey"), message);
    }
    const archived = await plane.call<Answer>("POST", `${paths.project}/branches`, {
      body: { branch: { archived: true } },
    });
    assert.match(
      String(archived.body.message),
      /branch\.archived" in the body must be false: anything else is not available/,
    );
  });
});
