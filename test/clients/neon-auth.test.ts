import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import type pg from "pg";
import type { BrowserContext } from "playwright-core";
import { type Stage, startStage } from "../browser/visit.ts";
import { connectToMetadata } from "../harness/metadata.ts";
import { type TestServer, waitFor } from "../harness/server.ts";
import { createOrganization, createProject, type Person, setupTokenOf, signUp } from "../harness/world.ts";

/** The unmodified `neon` CLI signs in through a real Chromium, at the pages that people see. */
const manifest = createRequire(import.meta.url).resolve("neon/package.json");
const { bin, version } = createRequire(import.meta.url)(manifest) as { bin: { neon: string }; version: string };

interface Credentials {
  access_token: string;
  refresh_token: string;
  expires_at: number;
  type: string;
  user_id: string;
  scope: string;
}

/** A `neon` without a key: it signs in through the browser. `CI` is unset, or it would refuse to. */
class Neon {
  readonly config_dir: string;
  readonly #server: TestServer;

  constructor(server: TestServer, config_dir: string) {
    this.#server = server;
    this.config_dir = config_dir;
  }

  start(...args: string[]): { child: ChildProcess; output: () => string; ended: Promise<number | null> } {
    const flags = ["--config-dir", this.config_dir, "--no-analytics", "--no-color"];
    const child = spawn(process.execPath, [join(dirname(manifest), bin.neon), ...flags, ...args], {
      env: {
        PATH: process.env.PATH ?? "",
        HOME: this.config_dir,
        // It opens a browser by itself; ours is driven from here.
        BROWSER: "true",
        NEON_API_HOST: this.#server.api,
        NEON_OAUTH_HOST: this.#server.url,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        output += chunk;
      });
    }
    const ended = once(child, "close").then(([code]) => code as number | null);
    return { child, output: () => output, ended };
  }

  async ok(...args: string[]): Promise<string> {
    const { output, ended } = this.start(...args);
    assert.equal(await ended, 0, `neon ${args.join(" ")}: ${output()}`);
    return output();
  }

  /** Runs a command that asks for the browser, and does there what a person would. */
  async okInBrowser(inBrowser: (url: string) => Promise<void>, ...args: string[]): Promise<string> {
    const { child, output, ended } = this.start(...args);
    try {
      await inBrowser(await authUrlOf(output));
      assert.equal(await ended, 0, `neon ${args.join(" ")}: ${output()}`);
      return output();
    } finally {
      child.kill();
    }
  }

  credentials_file(): string {
    return join(this.config_dir, "credentials.json");
  }

  async credentials(): Promise<Credentials> {
    return JSON.parse(await readFile(this.credentials_file(), "utf8")) as Credentials;
  }

  async expire(): Promise<void> {
    const credentials = await this.credentials();
    await writeFile(this.credentials_file(), JSON.stringify({ ...credentials, expires_at: 1 }));
  }
}

async function authUrlOf(output: () => string): Promise<string> {
  const find = () => /Auth Url: (\S+)/.exec(output())?.[1];
  await waitFor("the address to sign in at", () => find() !== undefined);
  return find() ?? "";
}

describe(`neon ${version}, signing in through the browser`, () => {
  let stage: Stage;
  let server: TestServer;
  let person: Person;
  let metadata: pg.Client;
  let browser: BrowserContext;
  let org_id: string;
  const endings: (() => Promise<unknown>)[] = [];
  const neons: Neon[] = [];

  const newNeon = async () => {
    const neon = new Neon(server, await mkdtemp(join(tmpdir(), "neon-auth-")));
    neons.push(neon);
    return neon;
  };
  const grantsOf = async () => {
    const { oauth_grants } = await server.expect<{ oauth_grants: { id: number; client: { name: string } }[] }>(
      200,
      "GET",
      "/oauth_grants",
      { key: person.key },
    );
    return oauth_grants;
  };
  /** Approves with a session that is there already, and waits for the page that the CLI itself serves. */
  const letIn = async (url: string) => {
    const page = await browser.newPage();
    await page.goto(url);
    await page.getByRole("button", { name: "Let it in" }).click();
    await page.waitForURL(/^http:\/\/127\.0\.0\.1:\d+\/callback\?/);
    await page.close();
  };

  before(async () => {
    stage = await startStage({ after: (end: () => Promise<unknown>) => void endings.push(end) });
    ({ server } = stage);
    person = await signUp(server, "Ada", { setup_token: setupTokenOf(server) });
    org_id = await createOrganization(server, person.key, "Acme");
    metadata = await connectToMetadata(server.data_dir);
    browser = await stage.browser.newContext();
  });
  after(async () => {
    await metadata?.end();
    await browser?.close();
    for (const end of endings.reverse()) await end();
    for (const { config_dir } of neons) await rm(config_dir, { recursive: true, force: true });
  });

  let neon: Neon;

  test("`neon auth` signs in: the person signs in, sees who asks for what, and lets it in", async () => {
    neon = await newNeon();
    await neon.okInBrowser(async (url) => {
      const page = await browser.newPage();
      await page.goto(url);
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
      await page.getByLabel("E-mail").fill(person.email);
      await page.getByLabel("Password", { exact: true }).fill(person.password);
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("heading", { name: "Let Neon CLI in?" }).waitFor();
      // The account and what is asked for come one after the other.
      for (const shown of [
        new RegExp(`Your account${person.email}`),
        /Who asksNeon CLI \(neonctl\)/,
        /It may doeverything that you may/,
        /this computer, 127\.0\.0\.1:\d+/,
      ]) {
        await page.getByRole("main").filter({ hasText: shown }).waitFor();
      }
      await page.getByRole("button", { name: "Let it in" }).click();
      await page.waitForURL(/^http:\/\/127\.0\.0\.1:\d+\/callback\?/);
      await page.close();
    }, "auth");
    const credentials = await neon.credentials();
    assert.match(credentials.access_token, /^lk_at_/);
    assert.deepEqual([credentials.type, credentials.user_id], ["oauth", person.user_id]);
    assert.ok(credentials.expires_at > Date.now() + 3_000_000);
    assert.match(credentials.scope, /urn:neoncloud:orgs:permission/);
  });

  test("signed in, `neon me` and `neon orgs list` work with no key, and the login is listed", async () => {
    assert.match(await neon.ok("me"), new RegExp(person.email));
    assert.match(await neon.ok("orgs", "list"), new RegExp(org_id));
    assert.deepEqual(
      (await grantsOf()).map(({ client }) => client.name),
      ["Neon CLI"],
    );
  });

  test("after its hour the CLI refreshes by itself, whether it knows or is told, and keeps the new token", async () => {
    const first = await neon.credentials();
    await neon.expire();
    assert.match(await neon.ok("me"), new RegExp(person.email));
    const second = await neon.credentials();
    assert.notEqual(second.refresh_token, first.refresh_token);
    assert.notEqual(second.access_token, first.access_token);

    await metadata.query("update oauth_access_tokens set expires_at = now()");
    assert.match(await neon.ok("me"), new RegExp(person.email));
    const third = await neon.credentials();
    assert.notEqual(third.refresh_token, second.refresh_token);
    assert.equal((await grantsOf()).length, 1);
  });

  test("two commands at once after the hour both work", async () => {
    await neon.expire();
    const runs = await Promise.all([neon.ok("me"), neon.ok("me")]);
    for (const run of runs) assert.match(run, new RegExp(person.email));
    assert.equal((await grantsOf()).length, 1);
  });

  test("a second machine that holds a copy of old credentials ends the login, and the CLI asks to sign in again", async () => {
    const thief = await newNeon();
    await writeFile(thief.credentials_file(), JSON.stringify(await neon.credentials()), { mode: 0o600 });
    await neon.expire();
    await neon.ok("me");
    await metadata.query("update oauth_refresh_tokens set replaced_at = replaced_at - interval '1 minute'");
    await thief.expire();
    const stolen = thief.start("me");
    // It finds its login dead and wants the browser again; nobody is there.
    await waitFor("the thief to be refused", () => /Auth Url|sign in|rejected/i.test(stolen.output()));
    stolen.child.kill();
    await stolen.ended;
    assert.deepEqual(await grantsOf(), []);
    const { rows } = await metadata.query("select from audit_events where action = 'oauth_grant.end_on_replay'");
    assert.equal(rows.length, 1);
  });

  test("refusing is told on our own page, and the CLI gets no redirect that would crash it", async () => {
    const refused = (await newNeon()).start("auth");
    const page = await browser.newPage();
    await page.goto(await authUrlOf(refused.output));
    await page.getByRole("button", { name: "Refuse" }).click();
    await page.getByRole("heading", { name: "Nothing was let in" }).waitFor();
    assert.ok(page.url().startsWith(`${server.url}/oauth/consent`));
    assert.equal(refused.child.exitCode, null, refused.output());
    refused.child.kill();
    await refused.ended;
    await page.close();
    assert.deepEqual(await grantsOf(), []);
  });

  const KINDS = {
    personal: { args: async () => [], method: "api_key_user" },
    organization: { args: async () => ["--org-id", org_id], method: "api_key_org" },
    project: {
      args: async () => ["--project-id", (await createProject(server, person.key, org_id)).project.id],
      method: "api_key_org",
    },
  } as const;
  let minting: Neon;

  for (const [kind, { args, method }] of Object.entries(KINDS)) {
    test(`\`neon profile create --mint\` leaves a ${kind} key that works, and no login behind`, async () => {
      minting ??= await newNeon();
      const logins = await grantsOf();
      await minting.okInBrowser(letIn, "profile", "create", kind, "--mint", ...(await args()));
      assert.deepEqual(await grantsOf(), logins);
      const listed = await minting.ok("profile", "list", "--output", "json");
      assert.match(listed, new RegExp(kind));
      const stored = await findStored(minting.config_dir, kind);
      const key = /lk_(?:user|org|proj)_\w{49}/.exec(stored)?.[0] ?? "";
      assert.equal((await server.expect(200, "GET", "/auth", { key })).auth_method, method);
    });
  }

  test("`neon profile rotate-key` replaces a personal key, and `remove` ends what a profile holds", async () => {
    const keysOf = async () => await server.expect<{ id: number }[]>(200, "GET", "/api_keys", { key: person.key });
    const before_keys = (await keysOf()).map(({ id }) => id);
    await minting.ok("profile", "rotate-key", "personal");
    const rotated = (await keysOf()).map(({ id }) => id);
    assert.equal(rotated.length, before_keys.length);
    assert.notDeepEqual(rotated, before_keys);
    assert.match(await minting.ok("me", "--profile", "personal"), new RegExp(person.email));
    for (const kind of Object.keys(KINDS)) await minting.ok("profile", "remove", kind, "--yes");
    assert.equal((await keysOf()).length, before_keys.length - 1);
    const left = await server.expect<unknown[]>(200, "GET", `/organizations/${org_id}/api_keys`, {
      key: person.key,
    });
    assert.deepEqual(left, []);
  });

  test("`neon profile remove` of a login revokes it at the server", async () => {
    const other = await newNeon();
    await other.okInBrowser(letIn, "profile", "create", "work");
    assert.equal((await grantsOf()).length, 1);
    await other.ok("profile", "remove", "work", "--yes");
    assert.deepEqual(await grantsOf(), []);
    const { rows } = await metadata.query<{ end_reason: string }>(
      "select end_reason from oauth_grants order by id desc limit 1",
    );
    assert.equal(rows[0]?.end_reason, "revoked");
  });
});

async function findStored(directory: string, profile: string): Promise<string> {
  const files = await readdir(directory, { recursive: true });
  const file = files.find((name) => name.includes(profile) && name.endsWith(".json"));
  if (!file) throw new Error(`no credentials of ${profile} in ${files.join(", ")}`);
  return await readFile(join(directory, file), "utf8");
}
