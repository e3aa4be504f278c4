import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { EndpointDirectory } from "../gateway/endpoint-directory.ts";
import { openLookups } from "../gateway/slots.ts";
import { createProject, openPlane, type Plane, queryAsClient } from "../jobs/test-plane.ts";

interface Endpoint {
  readonly id: string;
  readonly branch_id: string;
  readonly autoscaling_limit_min_cu: number;
  readonly autoscaling_limit_max_cu: number;
}
interface Answer {
  readonly endpoint: Endpoint;
  readonly endpoints: readonly [Endpoint];
  readonly operations: { action: string }[];
  readonly connection_uris: readonly [{ connection_uri: string }];
  readonly project: { default_endpoint_settings: object };
  readonly message: string;
}

const SMALLEST = { max_connections: "104", shared_buffers: "16MB" };
const ONE = { max_connections: "419", shared_buffers: "1GB" };

describe("the size of a compute", () => {
  let plane: Plane;
  before(async () => {
    plane = await openPlane();
    // So that what is refused does not depend on the machine that runs the test.
    await plane.db
      .insertInto("data_nodes")
      .values({
        ...{ id: "node-of-tests", holder: null, holder_process: "{}", address: null, certificate_digest: null },
        ...{ cpus: 2, memory_bytes: 8e9 },
      })
      .execute();
    // A node that is lost is told of as such, and this one is none.
    await plane.db
      .updateTable("data_nodes")
      .set({ holder: "00000000-0000-4000-8000-000000000000", renewed_at: "2999-01-01T00:00:00Z" })
      .execute();
  });
  after(() => plane.close());

  const carryOut = () => plane.carryOut();
  const limits = ({ autoscaling_limit_min_cu, autoscaling_limit_max_cu }: Endpoint) => [
    autoscaling_limit_min_cu,
    autoscaling_limit_max_cu,
  ];
  const size = (min: number, max: number) => ({ autoscaling_limit_min_cu: min, autoscaling_limit_max_cu: max });
  const actions = ({ operations }: Answer) => operations.map(({ action }) => action);
  const show = async (uri: string) => {
    const [row] = await queryAsClient(
      uri,
      "select current_setting('max_connections') as max_connections, current_setting('shared_buffers') as shared_buffers",
    );
    return row;
  };

  it("is the smallest where nobody names one", async () => {
    const { endpoints, connection_uris } = await createProject(plane);
    await carryOut();
    const [endpoint] = endpoints as unknown as Answer["endpoints"];
    assert.deepEqual(limits(endpoint), [0.25, 0.25]);
    assert.deepEqual(await show(connection_uris[0].connection_uri), SMALLEST);
  });

  it("is the project's for its first compute and those of its branches, unless they name their own", async () => {
    const made = await createProject(plane, { default_endpoint_settings: size(0.5, 1) });
    await carryOut();
    const path = `/projects/${made.project.id}`;
    assert.deepEqual(limits(made.endpoints[0] as unknown as Endpoint), [0.5, 1]);
    assert.deepEqual(await show(made.connection_uris[0].connection_uri), ONE);
    const branch = async (endpoint: object) => {
      const body = { endpoints: [{ type: "read_write", ...endpoint }] };
      const { status, body: answer } = await plane.call<Answer>("POST", `${path}/branches`, { body });
      assert.equal(status, 201, answer.message);
      return answer;
    };
    const usual = await branch({});
    assert.deepEqual(limits(usual.endpoints[0]), [0.5, 1]);
    const own = await branch(size(0.25, 0.25));
    await carryOut();
    assert.deepEqual(limits(own.endpoints[0]), [0.25, 0.25]);
    assert.deepEqual(await show(own.connection_uris[0].connection_uri), SMALLEST);
    const changed = await plane.call<Answer>("PATCH", path, {
      body: { project: { default_endpoint_settings: { autoscaling_limit_min_cu: 1 } } },
    });
    assert.deepEqual(changed.body.project.default_endpoint_settings, size(1, 1));
    const endpoint = { branch_id: own.endpoints[0].branch_id, type: "read_write" };
    await plane.call("DELETE", `${path}/endpoints/${own.endpoints[0].id}`);
    await carryOut();
    const again = await plane.call<Answer>("POST", `${path}/endpoints`, { body: { endpoint } });
    assert.deepEqual(limits(again.body.endpoint), [1, 1]);
    await carryOut();
    await plane.call("DELETE", path);
    await carryOut();
  });

  it("is taken by its former names in a new project", async () => {
    const made = await createProject(plane, size(0.25, 0.5));
    assert.deepEqual(limits(made.endpoints[0] as unknown as Endpoint), [0.25, 0.5]);
    await carryOut();
    await plane.call("DELETE", `/projects/${made.project.id}`);
    await carryOut();
  });

  it("is changed by a restart, and by that alone", async () => {
    const made = await createProject(plane);
    await carryOut();
    const [{ id }] = made.endpoints;
    const uri = made.connection_uris[0].connection_uri;
    const patch = (endpoint: object) =>
      plane.call<Answer>("PATCH", `/projects/${made.project.id}/endpoints/${id}`, { body: { endpoint } });
    const pid = async () => (await plane.drivers().compute.status(id))?.pid;
    const first = await pid();
    const changed = await patch({ autoscaling_limit_max_cu: 1 });
    assert.deepEqual([changed.status, actions(changed.body)], [200, ["apply_config"]]);
    assert.equal(await pid(), first);
    await carryOut();
    assert.deepEqual(await show(uri), ONE);
    const second = await pid();
    assert.notEqual(second, first);

    const less = await patch({ autoscaling_limit_min_cu: 1 });
    assert.deepEqual([limits(less.body.endpoint), actions(less.body)], [[1, 1], []]);
    assert.deepEqual(actions((await patch(size(1, 1))).body), []);
    await carryOut();
    assert.equal(await pid(), second);

    const { status, body } = await patch({ autoscaling_limit_max_cu: 0.5 });
    assert.equal(status, 400);
    assert.match(body.message, /"autoscaling_limit_min_cu" \(1\) and "autoscaling_limit_max_cu" \(0.5\) contradict/);
    await plane.call("POST", `/projects/${made.project.id}/endpoints/${id}/suspend`);
    await carryOut();
    await patch(size(0.25, 0.25));
    await carryOut();
    assert.equal(await pid(), undefined, "one that rests goes on resting");
    assert.deepEqual(await show(uri), SMALLEST);
    await plane.call("DELETE", `/projects/${made.project.id}`);
    await carryOut();
  });

  it("is how many clients the gateway lets in", async () => {
    const made = await createProject(plane);
    await carryOut();
    const [{ id }] = made.endpoints;
    const none = async () => undefined;
    const directory = new EndpointDirectory({
      ...{ db: plane.db, lookups: openLookups(), verifiers: { find: none }, compute: plane.drivers().compute },
      wake: () => assert.fail("nobody connects"),
    });
    assert.equal((await directory.findTarget(id))?.max_connections, 97);
    const endpoint = { autoscaling_limit_max_cu: 2 };
    await plane.call("PATCH", `/projects/${made.project.id}/endpoints/${id}`, { body: { endpoint } });
    assert.equal((await directory.findTarget(id))?.max_connections, 832);
    await carryOut();
    await plane.call("DELETE", `/projects/${made.project.id}`);
    await carryOut();
  });

  it("is refused where the machine has not got it, with both figures, and where there is no such size", async () => {
    const made = await createProject(plane);
    await carryOut();
    const path = `/projects/${made.project.id}`;
    const project = (settings: object) =>
      plane.call<Answer>("PATCH", path, { body: { project: { default_endpoint_settings: settings } } });
    const endpoint = (settings: object) =>
      plane.call<Answer>("PATCH", `${path}/endpoints/${made.endpoints[0].id}`, { body: { endpoint: settings } });
    const branch = (settings: object) =>
      plane.call<Answer>("POST", `${path}/branches`, { body: { endpoints: [{ type: "read_write", ...settings }] } });
    const text =
      "a compute of 4 CU is to have 4 processors and 16 GB of memory, and its machine has 2 and 8.0 GB: choose 2 CU or less";
    for (const ask of [project, endpoint, branch]) {
      const { status, body } = await ask(size(1, 4));
      assert.deepEqual([status, body.message], [400, text]);
      for (const [wrong, words] of [
        [size(0.75, 1), /must be one of: 0.25, 0.5, 1, 2/],
        [size(2, 1), /\(2\) and "autoscaling_limit_max_cu" \(1\) contradict each other/],
        [size(1, 16), /differ by more than 8/],
        [size(16, 18), /must be the same above 16/],
        [size(0, 1), /must be one of/],
      ] as const) {
        const refused = await ask(wrong);
        assert.equal(refused.status, 400);
        assert.match(refused.body.message, words);
      }
    }
    const body = { project: { org_id: plane.org_id, default_endpoint_settings: size(56, 56) } };
    const { status, body: answer } = await plane.call<Answer>("POST", "/projects", { body });
    assert.deepEqual([status, /^a compute of 56 CU/.test(answer.message)], [400, true], answer.message);

    // The machine is another one than it was: what there is may stay, and become smaller.
    await plane.db.updateTable("endpoints").set(size(4, 4)).where("id", "=", made.endpoints[0].id).execute();
    assert.equal((await endpoint(size(4, 4))).status, 200);
    assert.equal((await endpoint(size(5, 5))).status, 400);
    assert.equal((await endpoint(size(3, 3))).status, 200);
    await plane.db.updateTable("operations").set({ status: "finished" }).execute();
    await plane.db.updateTable("endpoints").set(size(0.25, 0.25)).execute();
  });
});
