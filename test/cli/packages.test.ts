import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { buildCli } from "../../cli/build.ts";
import { buildSdk } from "../../sdk/build/build.ts";
import { runProcess } from "./built-cli.ts";

const ROOT = join(import.meta.dirname, "../..");
const TOKEN = `lk_user_${"a".repeat(49)}`;

/** The machine's own Node, which is not the one that comes with the repository; that one where there is no other. */
function outsideNode(): { program: string; path: string; version: string } {
  const outside = (process.env.PATH ?? "").split(delimiter).filter((entry) => !entry.includes("node_modules"));
  for (const program of [...outside.map((entry) => join(entry, "node")), process.execPath]) {
    const { status, stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
    if (status === 0) return { program, path: [dirname(program), ...outside].join(delimiter), version: stdout.trim() };
  }
  throw new Error("there is no Node");
}

const node = outsideNode();

describe(`the packages as published, installed and run on Node ${node.version}, the machine's own`, () => {
  let directory = "";
  const env = () => ({ PATH: node.path, HOME: directory, TMPDIR: directory, LATCHKEY_KEYRING: "off" });

  async function npm(args: string[], cwd: string): Promise<string> {
    const ran = await runProcess("npm", [...args, "--no-audit", "--no-fund", "--loglevel=error"], { cwd, env: env() });
    assert.equal(ran.code, 0, ran.stderr);
    return ran.stdout;
  }

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "latchkey-packages-"));
    const packages = [await buildSdk(join(directory, "sdk")), dirname(await buildCli(join(directory, "cli")))];
    const app = join(directory, "app");
    await mkdir(app);
    await writeFile(join(app, "package.json"), '{"name":"app","private":true,"type":"module"}');
    const packed = await npm(["pack", "--silent", ...packages], directory);
    const tarballs = packed
      .trim()
      .split("\n")
      .map((name) => join(directory, name));
    // Offline and without the keychain's binding: neither may be needed.
    await npm(["install", "--offline", "--omit=optional", ...tarballs], app);
  });
  after(() => rm(directory, { recursive: true, force: true }));

  const run = (args: string[], more: Record<string, string> = {}) =>
    runProcess(node.program, args, { cwd: join(directory, "app"), env: { ...env(), ...more } });

  test("nothing comes along but the two packages", async () => {
    const installed = await readdir(join(directory, "app/node_modules"));
    assert.deepEqual(installed.filter((name) => !name.startsWith(".")).toSorted(), ["@latchkey", "latchkey-cli"]);
    const manifest = JSON.parse(await readFile(join(directory, "app/node_modules/@latchkey/sdk/package.json"), "utf8"));
    assert.equal(manifest.dependencies, undefined);
    const files = await readdir(join(directory, "app/node_modules/latchkey-cli"));
    assert.deepEqual(files.toSorted(), ["LICENSE", "README.md", "latchkey.cjs", "package.json"]);
  });

  test("the command runs under its name", async () => {
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

  test("the client's types hold in a strict project that has nothing else", async () => {
    const app = join(directory, "app");
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
});
