import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { buildCli } from "../../cli/build.ts";
import { buildSdk } from "../../sdk/build/build.ts";
import { runProcess } from "./built-cli.ts";

const ROOT = join(import.meta.dirname, "../..");
const TOKEN = `lk_user_${"a".repeat(49)}`;

/** Releases that the packages promise to run on, each with the one that is fetched where the machine has none. */
const RELEASES = { 20: "20.20.2", 22: "22.23.3", 24: "24.21.0" } as const;
const FETCHED = join(ROOT, "node_modules/.cache/latchkey-node");

interface Node {
  readonly program: string;
  /** The environment's PATH, this Node in front, nothing of the repository's own in it. */
  readonly path: string;
}

/**
 * A Node of this release: the machine's own, the one that runs this test, or one that is fetched from npm and
 * kept. It is no dependency of the repository: 185 MB for everybody's first start would serve this file alone.
 */
async function findNode(major: keyof typeof RELEASES): Promise<Node> {
  const outside = (process.env.PATH ?? "").split(delimiter).filter((entry) => !entry.includes("node_modules"));
  const fetched = join(
    FETCHED,
    RELEASES[major],
    "node_modules",
    `node-${process.platform}-${process.arch}`,
    "bin/node",
  );
  for (const program of [...outside.map((entry) => join(entry, "node")), process.execPath, fetched]) {
    const { status, stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
    if (status === 0 && stdout.startsWith(`v${major}.`)) {
      return { program, path: [dirname(program), ...outside].join(delimiter) };
    }
  }
  if (existsSync(fetched)) throw new Error(`${fetched} does not run; remove it`);
  await fetchNode(RELEASES[major]);
  return await findNode(major);
}

async function fetchNode(version: string): Promise<void> {
  await mkdir(FETCHED, { recursive: true });
  const unfinished = await mkdtemp(join(FETCHED, ".unfinished-"));
  try {
    const what = `node-${process.platform}-${process.arch}@${version}`;
    const options = ["--no-save", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"];
    // How the registry is reached (proxies, certificates) stands in the machine's environment, as for every installation.
    // npm on a recent Node would leave its compiled code in the temporary directory.
    const env = { ...process.env, TMPDIR: tmpdir(), NODE_DISABLE_COMPILE_CACHE: "1" };
    const ran = await runProcess("npm", ["install", "--prefix", unfinished, ...options, what], { env });
    if (ran.code !== 0) throw new Error(`npm cannot fetch ${what}; put a Node ${version} on the PATH\n${ran.stderr}`);
    await rename(unfinished, join(FETCHED, version));
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** Where the packages lie, packed once for all releases. */
let packed_in = "";
let tarballs: string[] = [];

before(async () => {
  packed_in = await mkdtemp(join(tmpdir(), "latchkey-packages-"));
  const packages = [await buildSdk(join(packed_in, "sdk")), dirname(await buildCli(join(packed_in, "cli")))];
  const packed = await npm(["pack", "--silent", ...packages], packed_in, await findNode(24));
  tarballs = packed
    .trim()
    .split("\n")
    .map((name) => join(packed_in, name));
});
after(() => rm(packed_in, { recursive: true, force: true }));

function environment(node: Node, directory: string): Record<string, string> {
  return { PATH: node.path, HOME: directory, TMPDIR: directory, LATCHKEY_KEYRING: "off" };
}

async function npm(args: string[], cwd: string, node: Node): Promise<string> {
  const options = ["--no-audit", "--no-fund", "--loglevel=error"];
  const ran = await runProcess("npm", [...args, ...options], { cwd, env: environment(node, packed_in) });
  assert.equal(ran.code, 0, ran.stderr);
  return ran.stdout;
}

for (const major of [20, 22, 24] as const)
  describe(`the packages as published, installed and run on Node ${major}`, () => {
    let directory = "";
    let node: Node;

    before(async () => {
      node = await findNode(major);
      directory = await mkdtemp(join(packed_in, "on-"));
      const app = join(directory, "app");
      await mkdir(app);
      await writeFile(join(app, "package.json"), '{"name":"app","private":true,"type":"module"}');
      // Offline and without the keychain's binding: neither may be needed.
      await npm(["install", "--offline", "--omit=optional", "--engine-strict", ...tarballs], app, node);
    });

    const env = () => environment(node, directory);
    const run = (args: string[], more: Record<string, string> = {}) =>
      runProcess(node.program, args, { cwd: join(directory, "app"), env: { ...env(), ...more } });

    test("nothing comes along but the two packages", async () => {
      const installed = await readdir(join(directory, "app/node_modules"));
      assert.deepEqual(installed.filter((name) => !name.startsWith(".")).toSorted(), ["@latchkey", "latchkey-cli"]);
      const manifest = JSON.parse(
        await readFile(join(directory, "app/node_modules/@latchkey/sdk/package.json"), "utf8"),
      );
      assert.equal(manifest.dependencies, undefined);
      const files = await readdir(join(directory, "app/node_modules/latchkey-cli"));
      assert.deepEqual(files.toSorted(), ["LICENSE", "README.md", "latchkey.cjs", "package.json"]);
    });

    test("the command runs under its name, on this release", async () => {
      assert.match((await run(["--version"])).stdout, new RegExp(`^v${major}\\.`));
      const program = join(directory, "app/node_modules/.bin/latchkey");
      const version = await runProcess(program, ["--version"], { env: env() });
      assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
      const help = await run([program, "--help"]);
      assert.match(help.stdout, /Usage: latchkey/);
    });

    test("command and client talk to a server", async (t) => {
      const server = createServer((request, response) => {
        response.writeHead(200, { "content-type": "application/json" });
        const keys = [{ id: 1, name: "ci", authorization: request.headers.authorization }];
        response.end(JSON.stringify(request.url?.endsWith("api_keys") ? keys : { projects: [] }));
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      t.after(() => server.close());
      const address = server.address();
      const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;

      const program = join(directory, "app/node_modules/.bin/latchkey");
      const listed = await run([program, "api-keys", "list", "-o", "yaml"], { NEON_API_KEY: TOKEN, LATCHKEY_URL: url });
      assert.equal(listed.stdout, `- id: 1\n  name: ci\n  authorization: Bearer ${TOKEN}\n`, listed.stderr);

      await writeFile(
        join(directory, "app/run.js"),
        `import { createClient } from "@latchkey/sdk";
       import { createApi, operations } from "@latchkey/sdk/operations";
       const client = createClient({ base_url: process.argv[2], api_key: process.argv[3] });
       const [key] = await createApi(client).listApiKeys();
       console.log(key.name, (await client.all(operations.listProjects)).length);`,
      );
      const used = await run(["run.js", url, TOKEN]);
      assert.equal(used.stdout, "ci 0\n", used.stderr);
    });
  });

test("the client's types hold in a strict project that has nothing else", async () => {
  const app = join(packed_in, "typed");
  await mkdir(app);
  await writeFile(join(app, "package.json"), '{"name":"app","private":true,"type":"module"}');
  await npm(["install", "--offline", "--omit=optional", ...tarballs], app, await findNode(24));
  await writeFile(
    join(app, "typed.ts"),
    `import { ApiError, createClient } from "@latchkey/sdk";
     import { createApi, operations } from "@latchkey/sdk/operations";
     const client = createClient({ base_url: "http://a" });
     const api = createApi(client);
     const created = await api.createProject({ body: { project: { name: "x" } } });
     const uri: string | undefined = created.connection_uris[0]?.connection_uri;
     await client.waitForOperations(created.operations);
     for await (const project of client.items(operations.listProjects, { query: { limit: 3 } })) {
       const name: string = project.name;
     }
     const keys: { id: number; last_used_at: string | null }[] = await api.listApiKeys();
     const role: "admin" | "member" = (await api.getOrganizationMember({ params: { org_id: "o", member_id: "m" } })).role;
     // @ts-expect-error a parameter is missing
     await api.revokeApiKey();
     // @ts-expect-error no such field
     await api.createApiKey({ body: { nme: "x" } });
     // @ts-expect-error not a field of the answer
     keys[0]?.key;
     export { ApiError, uri, role };`,
  );
  const compiler_options = {
    strict: true,
    noEmit: true,
    module: "nodenext",
    target: "es2022",
    lib: ["es2022", "dom", "dom.iterable"],
    types: [],
  };
  const config = { compilerOptions: compiler_options, files: ["typed.ts"] };
  await writeFile(join(app, "tsconfig.json"), JSON.stringify(config));
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  const checked = spawnSync(process.execPath, [compiler, "-p", app], { encoding: "utf8" });
  assert.deepEqual([checked.status, checked.stdout], [0, ""]);
});
