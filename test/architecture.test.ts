import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import test, { describe } from "node:test";
import { type Source, scan } from "./source-scan.ts";

/**
 * The rules of the house, checked over the real sources. Each says why, and carries sources that break it
 * and sources that do not, so that none of them can fall asleep. An exception is data with its own reason,
 * and must go when nothing needs it any more.
 */
interface Rule {
  readonly name: string;
  readonly why: string;
  /** Files that the rule speaks of. */
  readonly from: RegExp;
  /** What must not be imported, as a path from the root or a package's name. */
  readonly imports?: RegExp;
  /** What must not be written. */
  readonly writes?: RegExp;
  /** What no string and no template may hold. */
  readonly says?: RegExp;
  /** What a file must not be called. */
  readonly called?: RegExp;
  readonly except?: readonly { readonly path: RegExp; readonly why: string }[];
  readonly broken_by: readonly [path: string, text: string][];
  readonly kept_by: readonly [path: string, text: string][];
}

const FEATURES =
  "api-keys|branches|compute|console|databases|empty-lists|endpoints|jobs|mail|oauth|operations|organizations|postgres|projects|roles|sessions|users";
/** Tests, and what they share beside the sources (`testing.ts`, `test-*.ts`, `conformance.ts`): they may do what they need. */
const TESTS = /\.test\.ts$|\/(testing|conformance|test-[^/]+)\.ts$/;
const running = (start: string) => new RegExp(`^${start}/(?!.*(${TESTS.source}))`);
const SERVER = running("server");
const room = (names: string) => running(`server/(${names})`);
const FEATURE = room(FEATURES);
const CONSOLE = running("console/src");
const COMPOSITION = {
  path: /^server\/(main|start|serve|setup|open|data-dir|workers)\.ts$/,
  why: "the composition root, and what it opens an instance with",
};

const RULES: readonly Rule[] = [
  {
    name: "http/ never imports a feature",
    why: "the pipeline treats all routes alike; serve.ts hands it the list, so a new route needs no change there",
    from: room("http"),
    imports: FEATURE,
    broken_by: [["server/http/app.ts", 'import { routes } from "../projects/routes.ts";']],
    kept_by: [["server/http/app.ts", 'import { authorize } from "../access/authorize.ts";']],
  },
  {
    name: "only http/ knows the HTTP library",
    why: "rules never see a request or a response, so the library can be replaced in one room",
    from: SERVER,
    imports: /^(fastify|@fastify\/.*)$/,
    except: [
      { path: /^server\/http\//, why: "it is the room for that" },
      { path: /^server\/console\//, why: "files of the Console: served by the library, without a rule of ours" },
    ],
    broken_by: [["server/projects/routes.ts", 'import type { FastifyRequest } from "fastify";']],
    kept_by: [["server/http/app.ts", 'import Fastify from "fastify";']],
  },
  {
    name: "access/ and keys/ never import a feature",
    why: "they decide for every feature; a decision that depends on a feature could be changed from within it",
    from: room("access|keys"),
    imports: FEATURE,
    broken_by: [["server/access/policy.ts", 'import "../projects/store.ts";']],
    kept_by: [["server/access/store.ts", 'import type { Tx } from "../db/pool.ts";']],
  },
  {
    name: "what everybody imports never imports a feature",
    why: "errors, ids, clock, log, config and route are below every room; the other way round makes a knot of all",
    from: /^server\/[^/]+(?<!\.test)\.ts$/,
    imports: FEATURE,
    except: [COMPOSITION],
    broken_by: [["server/ids.ts", 'import { isTaken } from "./projects/store.ts";']],
    kept_by: [["server/serve.ts", 'import { routes } from "./projects/routes.ts";']],
  },
  {
    name: "projects never import what holds them",
    why: "a parent calls its child; a child that calls back cannot be read, tested or deleted alone",
    from: room("projects"),
    imports: room("organizations|users|sessions|api-keys"),
    broken_by: [["server/projects/rules.ts", 'export { x } from "../organizations/store.ts";']],
    kept_by: [["server/projects/rules.ts", 'import { insertBranch } from "../branches/store.ts";']],
  },
  {
    name: "branches never import projects",
    why: "a parent calls its child; a child that calls back cannot be read, tested or deleted alone",
    from: room("branches"),
    imports: room("projects|organizations|users"),
    broken_by: [["server/branches/routes.ts", 'import { createProject } from "../projects/rules.ts";']],
    kept_by: [["server/branches/rules.ts", 'import { insertRole } from "../roles/store.ts";']],
  },
  {
    name: "endpoints, roles, databases and operations never import branches or projects",
    why: "a parent calls its child; a child that calls back cannot be read, tested or deleted alone",
    from: room("endpoints|roles|databases|operations"),
    imports: room("branches|projects|organizations|users"),
    broken_by: [
      ["server/endpoints/routes.ts", 'import { x } from "../branches/store.ts";'],
      ["server/operations/store.ts", 'const { x } = await import("../projects/store.ts");'],
    ],
    kept_by: [["server/databases/store.ts", 'import { x } from "../roles/store.ts";']],
  },
  {
    name: "drivers never import db/ or a feature",
    why: "a driver is told what to do and reports what is; one that reads our tables would decide for itself",
    from: room("compute/drivers/[^/]+"),
    imports: new RegExp(
      `^server/(db|access|http|keys|${FEATURES.replaceAll("|compute|", "|").replace("|postgres", "")})/`,
    ),
    broken_by: [
      ["server/compute/drivers/local/driver.ts", 'import { openDatabase } from "../../../db/pool.ts";'],
      ["server/compute/drivers/local/driver.ts", 'import type { X } from "../../../endpoints/store.ts";'],
    ],
    kept_by: [
      ["server/compute/drivers/local/driver.ts", 'import "../../driver.ts"; import "../../../postgres/files.ts";'],
    ],
  },
  {
    name: "nothing that runs knows the fake driver",
    why: "a server on it would answer as if people's data were kept; it is for tests, and no setting chooses it",
    from: running("(server(?!/compute/drivers/fake)|contract|sdk|cli|scripts)"),
    imports: /^server\/compute\/drivers\/fake\//,
    broken_by: [["server/main.ts", 'import { openFakeDriver } from "./compute/drivers/fake/driver.ts";']],
    kept_by: [
      ["server/compute/drivers/fake/driver.ts", 'import { FakeStorage } from "./storage.ts";'],
      ["server/jobs/faults.test.ts", 'import { openFakeDriver } from "../compute/drivers/fake/driver.ts";'],
    ],
  },
  {
    name: "postgres/ imports no other room",
    why: "it runs PostgreSQL processes and knows nothing of projects, keys or the API; two rooms build on it",
    from: running("server/postgres"),
    imports: /^server\/(?!postgres\/)[^/]+\//,
    broken_by: [["server/postgres/cluster.ts", 'import { DriverError } from "../compute/driver.ts";']],
    kept_by: [["server/postgres/cluster.ts", 'import type { Clock } from "../clock.ts";']],
  },
  {
    name: "only a store and db/ hold SQL",
    why: "whoever asks what touches a table looks at files of one name, and a store takes an access handle",
    from: SERVER,
    writes:
      /\bsql(\.raw|<[^`]*>)?\s*[(`]|\.(selectFrom|insertInto|updateTable|deleteFrom|mergeInto)\(|\b(pool|client|session|db|tx)\.query\b/,
    except: [
      { path: /^server\/db\/|\/store\.ts$/, why: "these are the homes of SQL" },
      { path: /^server\/compute\/drivers\//, why: "SQL to a compute's own database, never to our tables" },
    ],
    broken_by: [
      ["server/projects/rules.ts", 'await access.tx.selectFrom("projects").execute();'],
      ["server/projects/rules.ts", "await sql`select 1`.execute(tx);"],
      ["server/keys/verifier.ts", 'await this.pool.query("select 1");'],
    ],
    kept_by: [
      ["server/projects/store.ts", 'access.tx.insertInto("projects");'],
      ["server/projects/rules.ts", '// tx.selectFrom("projects")\nconst text = "db.query";'],
    ],
  },
  {
    name: "only config.ts reads the environment",
    why: "a setting read elsewhere is neither validated, documented nor shown by --print-config",
    from: SERVER,
    writes: /\bprocess\s*\.\s*env\b|\bprocess\[|\{[^}]*\benv\b[^}]*\}\s*=\s*process\b/,
    except: [{ path: /^server\/config\.ts$/, why: "it is the home of configuration" }],
    broken_by: [
      ["server/log.ts", "const level = process.env.LATCHKEY_LOG_LEVEL;"],
      ["server/log.ts", "const { env } = process;"],
    ],
    kept_by: [["server/config.ts", "parseConfig(process.env)"]],
  },
  {
    name: "only clock.ts reads the time",
    why: "what takes a Clock can be tested at any moment of any day without waiting",
    from: SERVER,
    writes:
      /\bDate\.now\b|\bnew Date(\(\s*\)|(?!\s*\())|(?<!new )\bDate\(\s*\)|\bperformance\.(now|timeOrigin)\b|\bprocess\.hrtime\b/,
    except: [
      { path: /^server\/clock\.ts$/, why: "it is the home of time" },
      {
        path: /^server\/(postgres|compute\/drivers\/local)\//,
        why: "deadlines for real processes of the operating system, whose time no test can move",
      },
    ],
    broken_by: [
      ["server/sessions/rules.ts", "const now = Date.now();"],
      ["server/sessions/rules.ts", "const now = new Date();"],
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the source of a template
      ["server/sessions/rules.ts", "const text = `at ${new Date().toISOString()}`;"],
      ["server/jobs/runner.ts", "const began = performance.now();"],
    ],
    kept_by: [["server/keys/store.ts", "new Date(use.at_ms).toISOString()"]],
  },
  {
    name: "only authorize.ts makes access handles",
    why: "a handle is the proof that authorization has happened; made elsewhere it proves nothing",
    from: SERVER,
    writes: /\b(new|extends)\s+(Caller|Person|Organization|Project)Access\b/,
    except: [
      { path: /^server\/access\/(authorize|handles)\.ts$/, why: "the one mints them, the other says what they are" },
    ],
    broken_by: [
      ["server/projects/rules.ts", "const access = new ProjectAccess(tx, principal, origin, project, 'admin');"],
    ],
    kept_by: [["server/projects/rules.ts", "function createProject(access: OrganizationAccess) {}"]],
  },
  {
    name: "no file is called utils, helpers or common",
    why: "a name that fits everything collects everything; say what the file is about",
    from: /^server\//,
    called: /^(.*[-.])?(utils?|helpers?|common|misc|manager|service)\.ts$/,
    broken_by: [["server/projects/project-utils.ts", ""]],
    kept_by: [["server/projects/store.ts", ""]],
  },
  {
    name: "no barrel files",
    why: "an index that re-exports a folder hides where things live and makes cycles out of nothing",
    from: /^(contract|server|sdk|cli|console|scripts|test)\//,
    called: /^index\.(ts|js|mjs)$/,
    writes: /\bexport\s*\*/,
    broken_by: [
      ["server/projects/index.ts", ""],
      ["contract/all.ts", 'export * from "./projects.ts";'],
    ],
    kept_by: [["server/projects/routes.ts", "export const projectRoutes = [];"]],
  },
  {
    name: "the contract imports nothing but the schema library",
    why: "clients depend on it without the server",
    from: running("contract"),
    imports: /^(?!contract\/|typebox$)/,
    broken_by: [
      ["contract/users.ts", 'import { newUuid } from "../server/ids.ts";'],
      ["contract/users.ts", 'import { randomUUID } from "node:crypto";'],
    ],
    kept_by: [["contract/users.ts", 'import Type from "typebox"; import { Body } from "./common.ts";']],
  },
  {
    name: "nothing prints by console",
    why: "logs are typed events whose fields are chosen one by one; a printed object takes secrets along",
    from: SERVER,
    writes: /\bconsole\s*\./,
    broken_by: [["server/keys/verifier.ts", "console.log(token);"]],
    kept_by: [["server/keys/verifier.ts", "// console.log(token)\nlog.event('x', {});"]],
  },
  {
    name: "what runs never imports a test or its harness",
    why: "a product that needs its tests cannot be shipped without them",
    from: running("(contract|server|sdk|cli)"),
    imports: new RegExp(`^test/|${TESTS.source}`),
    broken_by: [
      ["server/main.ts", 'import { fake } from "../test/harness/server.ts";'],
      ["server/main.ts", 'import { fake } from "./postgres/testing.ts";'],
    ],
    kept_by: [["server/keys/token.test.ts", 'import { database } from "../../test/harness/database.ts";']],
  },
  {
    name: "ui/ knows nothing of the product",
    why: "what knows keys and projects serves one page; what knows none serves all, and is shown whole at /design",
    from: running("console/src/ui"),
    imports: /^(console\/src\/(?!ui\/)|contract\/|sdk\/|@latchkey\/|@tanstack\/)/,
    broken_by: [
      ["console/src/ui/DataTable.tsx", 'import { paths } from "../paths.ts";'],
      ["console/src/ui/Time.tsx", 'import type { ListedKey } from "@latchkey/contract/api-keys.ts";'],
      ["console/src/ui/Form.tsx", 'import { ApiError } from "@latchkey/sdk";'],
      ["console/src/ui/Menu.tsx", 'import { Link } from "@tanstack/react-router";'],
    ],
    kept_by: [
      ["console/src/ui/Menu.tsx", 'import { useLate } from "./late.tsx"; import { Menu } from "@base-ui/react/menu";'],
    ],
  },
  {
    name: "the Console's paths are built in one file",
    why: "an address that is spelled twice changes once",
    from: CONSOLE,
    says: /^\/(account|design|forgot-password|invitations|organizations|projects|reset-password|setup|sign-in|sign-up)(?![\w-])/,
    except: [
      { path: /^console\/src\/paths\.ts$/, why: "it is that file" },
      { path: /^console\/src\/routes\.tsx$/, why: "the site map, which answers them" },
    ],
    broken_by: [
      ["console/src/pages/home.tsx", '<Link to="/account/api-keys" />;'],
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the source of a template
      ["console/src/pages/home.tsx", "const to = `/projects/${id}`;"],
      ["console/src/api/session.ts", 'window.location.replace("/sign-in");'],
    ],
    kept_by: [
      ["console/src/pages/home.tsx", "const to = paths.project(id);"],
      ["console/src/pages/home.tsx", 'useParams({ from: "/signed-in/organizations/$org_id/projects" });'],
    ],
  },
  {
    name: "the Console stores nothing in the browser but two choices",
    why: "what is stored outlives its dialog, and whoever looks for a secret there must have few places to look at",
    from: CONSOLE,
    writes: /\b(localStorage|sessionStorage|indexedDB|caches|cookieStore|serviceWorker)\b|\bdocument\s*\.\s*cookie\b/,
    except: [
      { path: /^console\/src\/components\/theme\.ts$/, why: "the theme that was chosen" },
      { path: /^console\/src\/components\/present\.ts$/, why: "the organization that was visited last" },
    ],
    broken_by: [
      ["console/src/components/keys/ShownOnce.tsx", "sessionStorage.setItem(name, token);"],
      ["console/src/api/session.ts", "document.cookie = text;"],
    ],
    kept_by: [["console/src/components/theme.ts", "localStorage.setItem(STORED_AS, next);"]],
  },
  {
    name: "every import names its file",
    why: "a computed import can reach any room, and this test cannot see where",
    from: SERVER,
    imports: /^\(computed\)$/,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the source of a template
    broken_by: [["server/main.ts", "const room = await import(`./${name}.ts`);"]],
    kept_by: [["server/main.ts", 'const room = await import("./projects/routes.ts");']],
  },
];

describe("architecture", () => {
  const sources = readSources();

  test("the sources are all there", () => {
    assert.ok(sources.length > 50, `only ${sources.length} files were found`);
    assert.ok(sources.filter(({ imports }) => imports.length > 0).length > 40, "imports are not seen");
  });

  for (const rule of RULES) {
    test(rule.name, () => {
      const found = sources.flatMap((source) => findBreaches(rule, source));
      assert.deepEqual(found, [], `\n${rule.name}, because ${rule.why}:\n  ${found.join("\n  ")}\n`);
    });

    test(`can fail: ${rule.name}`, () => {
      for (const [path, text] of rule.broken_by) {
        assert.notDeepEqual(findBreaches(rule, scan(path, text)), [], `not noticed in ${path}: ${text}`);
      }
      for (const [path, text] of rule.kept_by) {
        assert.deepEqual(findBreaches(rule, scan(path, text)), [], `wrongly refused in ${path}: ${text}`);
      }
    });
  }

  test("an exception that nothing needs any more is gone", () => {
    const idle = RULES.flatMap((rule) => {
      const { except = [], ...strict } = rule;
      return except
        .filter(({ path }) => !sources.some((s) => path.test(s.path) && findBreaches(strict, s).length > 0))
        .map(({ path }) => `${rule.name}: ${path}`);
    });
    assert.deepEqual(idle, []);
  });
});

/** What breaks the rule in this file, for a person to read. */
function findBreaches(rule: Rule, source: Source): string[] {
  if (!rule.from.test(source.path) || rule.except?.some(({ path }) => path.test(source.path))) return [];
  const breaches = source.imports
    .filter((name) => rule.imports?.test(name))
    .map((name) => `${source.path} imports ${name}`);
  const written = rule.writes?.exec(source.code);
  if (written) {
    const line = source.code.slice(0, written.index).split("\n").length;
    breaches.push(`${source.path}:${line} has ${written[0]}`);
  }
  const said = source.strings.find((text) => rule.says?.test(text));
  if (said !== undefined) breaches.push(`${source.path} says "${said}"`);
  if (rule.called?.test(basename(source.path))) breaches.push(`${source.path} is called that`);
  return breaches;
}

function readSources(): Source[] {
  const root = dirname(import.meta.dirname);
  const files = globSync(["{contract,server,sdk,cli,scripts,test}/**/*.{ts,mjs,js}", "console/src/**/*.{ts,tsx}"], {
    cwd: root,
    exclude: ["**/node_modules/**"],
  });
  return files.map((file) => scan(file.replaceAll("\\", "/"), readFileSync(join(root, file), "utf8")));
}
