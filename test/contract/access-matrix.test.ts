import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { CaseRunner, missingCases } from "../harness/cases.ts";
import { contracts, OPEN_OPERATIONS, SESSION_OPERATIONS } from "../harness/contracts.ts";
import { type CallOptions, startServer, type TestServer } from "../harness/server.ts";
import { buildWorld, fromElsewhere, type World } from "../harness/world.ts";

const GOLDEN = join(import.meta.dirname, "access-matrix.txt");
const HEADING = [
  "# Who may do what: the status that the server answers to each principal on each route.",
  "# Each request is one that the organization's admin may make, about what the admin or the organization owns.",
  "# Written by `UPDATE_GOLDEN=1 npm test -- access-matrix`; read the difference before you commit it.",
  "#",
  "#   admin, member, stranger   personal key of an admin, of a member, of somebody in another organization",
  "#   org, other org            organization key of the organization that is asked about, and of another",
  "#   proj, other proj          project key of the project that is asked about, and of another one beside it",
  "#   revoked                   personal key of the admin, revoked",
  "#   session                   session cookie of the admin",
  "#   login                     access token of a login of the admin through the browser",
  "#   oauth                     well-formed token of that kind that was never issued",
  "",
];

const PRINCIPALS: Record<string, (world: World) => CallOptions> = {
  anonymous: () => ({}),
  admin: ({ admin }) => ({ key: admin.key }),
  member: ({ member }) => ({ key: member.key }),
  stranger: ({ stranger }) => ({ key: stranger.key }),
  org: ({ org_key }) => ({ key: org_key }),
  "other org": ({ stranger_org_key }) => ({ key: stranger_org_key }),
  proj: ({ project_key }) => ({ key: project_key }),
  "other proj": ({ second_project_key }) => ({ key: second_project_key }),
  revoked: ({ revoked_key }) => ({ key: revoked_key }),
  session: ({ admin }) => ({ cookie: admin.cookie }),
  login: ({ login_token }) => ({ key: login_token }),
  oauth: ({ oauth_token }) => ({ key: oauth_token }),
};
const COLUMNS = Object.keys(PRINCIPALS);

type Row = Readonly<Record<string, number>>;

function print(matrix: ReadonlyMap<string, Row>): string {
  const width = Math.max(...[...matrix.keys()].map((id) => id.length));
  const line = (first: string, cells: readonly string[]) =>
    [first.padEnd(width), ...cells.map((cell, i) => cell.padEnd(COLUMNS[i]?.length ?? 0))].join("  ").trimEnd();
  const rows = [...matrix].map(([id, row]) =>
    line(
      id,
      COLUMNS.map((column) => String(row[column])),
    ),
  );
  return `${[...HEADING, line("", COLUMNS), ...rows].join("\n")}\n`;
}

suite("access matrix", () => {
  let server: TestServer;
  const matrix = new Map<string, Row>();
  const isSuccess = (status: number | undefined) => status !== undefined && status < 300;
  const each = (check: (id: string, row: Row) => void) => matrix.forEach((row, id) => void check(id, row));
  const pathOf = (id: string) => contracts.find((contract) => contract.id === id)?.path ?? "";

  before(async () => {
    server = await startServer(undefined, {
      LATCHKEY_SIGN_UP: "open",
      LATCHKEY_LOG_LEVEL: "info",
      LATCHKEY_TRUST_PROXY: "1",
    });
    const world = await buildWorld(server);
    for (const { id } of contracts) {
      if (missingCases(contracts).length > 0) return;
      const runner = new CaseRunner(world, id);
      const row: Record<string, number> = {};
      for (const [column, options] of Object.entries(PRINCIPALS)) {
        row[column] = (await runner.call({ ...options(world), headers: fromElsewhere() })).status;
      }
      matrix.set(id, row);
    }
  });
  after(() => server?.close());

  test("every route has a case", () => {
    assert.deepEqual(missingCases(contracts), []);
  });

  test("the whole matrix is what was agreed", async () => {
    const printed = print(matrix);
    if (process.env.UPDATE_GOLDEN === "1") await writeFile(GOLDEN, printed);
    const agreed = await readFile(GOLDEN, "utf8").catch(() => "");
    assert.deepEqual(
      printed.split("\n"),
      agreed.split("\n"),
      "the matrix has changed; if that is meant, run UPDATE_GOLDEN=1 npm test -- access-matrix and read the difference",
    );
  });

  test("without a good credential only the open routes answer, and everything else is 401", () => {
    each((id, row) => {
      for (const column of ["anonymous", "revoked", "oauth"]) {
        if (OPEN_OPERATIONS.has(id)) assert.ok(isSuccess(row[column]), `${id} as ${column}: ${row[column]}`);
        else assert.equal(row[column], 401, `${id} as ${column}`);
      }
    });
  });

  test("a good credential is never answered 401", () => {
    each((id, row) => {
      for (const column of COLUMNS) {
        if (["anonymous", "revoked", "oauth"].includes(column)) continue;
        assert.notEqual(row[column], 401, `${id} as ${column}`);
      }
    });
  });

  test("nobody from outside gets at an organization or a project", () => {
    each((id, row) => {
      const path = pathOf(id);
      if (!/\{(org_id|project_id)\}/.test(path) && !["listProjects", "createProject"].includes(id)) return;
      for (const column of ["stranger", "other org", "other proj"]) {
        assert.ok(row[column] === 403 || row[column] === 404, `${id} as ${column}: ${row[column]}`);
      }
      // Whether a project exists is nobody else's business.
      if (path.includes("{project_id}")) {
        for (const column of ["stranger", "other org", "other proj"]) assert.equal(row[column], 404, `${id} ${column}`);
      }
    });
  });

  test("what is a person's own is no other person's", () => {
    for (const id of ["revokeApiKey", "deleteSession", "revokeOAuthGrant"]) {
      for (const column of ["member", "stranger", "org", "proj"]) {
        assert.equal(matrix.get(id)?.[column], 404, `${id} as ${column}`);
      }
    }
  });

  test("the admin may do everything, by key, by login and by session alike", () => {
    each((id, row) => {
      assert.ok(isSuccess(row.session), `${id} by session: ${row.session}`);
      assert.equal(row.login, row.admin, `${id} by login`);
      if (SESSION_OPERATIONS.has(id)) assert.ok(!isSuccess(row.admin), `${id} by key: ${row.admin}`);
      else assert.ok(isSuccess(row.admin), `${id} by key: ${row.admin}`);
    });
  });

  test("a project key acts inside its project alone, and never ends it", () => {
    const outside = new Set(["getAuthDetails", ...OPEN_OPERATIONS]);
    each((id, row) => {
      if (pathOf(id).includes("{project_id}") && id !== "deleteProject") return;
      assert.equal(isSuccess(row.proj), outside.has(id), `${id}: ${row.proj}`);
    });
  });

  test("no key of an organization or a project makes a key, removes a member or invites", () => {
    const forbidden = ["createApiKey", "createOrgApiKey", "removeOrganizationMember", "createOrganizationInvitations"];
    for (const id of forbidden) {
      for (const column of ["org", "proj"]) {
        const status = matrix.get(id)?.[column];
        assert.ok(status === 403 || status === 404, `${id} as ${column}: ${status}`);
      }
    }
  });

  test("no cell is a failure of the server or of the request itself", () => {
    each((id, row) => {
      for (const [column, status] of Object.entries(row)) {
        const told = isSuccess(status) || [401, 403, 404].includes(status) || (id === "signOut" && status === 400);
        assert.ok(told, `${id} as ${column}: ${status} tells nothing about access`);
      }
    });
  });
});
