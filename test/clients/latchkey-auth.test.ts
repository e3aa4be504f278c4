import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type pg from "pg";
import type { BrowserContext } from "playwright-core";
import { type Stage, startStage } from "../browser/visit.ts";
import { useBuiltCli } from "../cli/built-cli.ts";
import { connectToMetadata } from "../harness/metadata.ts";
import { type TestServer, waitFor } from "../harness/server.ts";
import { type Person, setupTokenOf, signIn, signUp } from "../harness/world.ts";

/** Our own command signs in as the real Neon CLI does, and from machines without a browser too. */
const built = useBuiltCli();

interface Grant {
  readonly id: number;
  readonly client: { name: string };
  readonly device_name: string;
}

describe("latchkey auth", () => {
  let stage: Stage;
  let server: TestServer;
  let person: Person;
  let metadata: pg.Client;
  let browser: BrowserContext;
  const endings: (() => Promise<unknown>)[] = [];

  before(async () => {
    stage = await startStage({ after: (end: () => Promise<unknown>) => void endings.push(end) } as never);
    ({ server } = stage);
    person = await signUp(server, "Ada", { setup_token: setupTokenOf(server) });
    metadata = await connectToMetadata(server.data_dir);
    browser = await stage.browser.newContext();
    const cookie = await signIn(server, person);
    const at = cookie.indexOf("=");
    await browser.addCookies([{ name: cookie.slice(0, at), value: cookie.slice(at + 1), url: server.url }]);
    built.cli.env = { LATCHKEY_URL: server.url, BROWSER: "true" };
  });
  after(async () => {
    await metadata?.end();
    await browser?.close();
    for (const end of endings.reverse()) await end();
  });

  const start = (...words: string[]) => {
    const child = spawn(process.execPath, [built.cli.file, ...words], {
      env: {
        PATH: process.env.PATH ?? "",
        LATCHKEY_CONFIG_DIR: join(built.cli.directory, "config"),
        LATCHKEY_KEYRING: "off",
        ...built.cli.env,
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
    const shown = async (pattern: RegExp) => {
      await waitFor(`${pattern} in the terminal`, () => pattern.test(output) || child.exitCode !== null);
      return pattern.exec(output)?.[1] ?? assert.fail(output);
    };
    return { child, ended, shown, output: () => output };
  };
  const stored = async () => await readFile(join(built.cli.directory, "config/profiles.json"), "utf8");
  const grants = async () =>
    (await server.expect<{ oauth_grants: Grant[] }>(200, "GET", "/oauth_grants", { key: person.key })).oauth_grants;
  const age = async (at_ms: number) =>
    await writeFile(
      join(built.cli.directory, "config/profiles.json"),
      (await stored()).replace(/"expires_at_ms": \d+/, `"expires_at_ms": ${at_ms}`),
      { mode: 0o600 },
    );

  test("signs in through the browser, and keeps the login for its server", async () => {
    const { ended, shown, output } = start("auth");
    const address = new URL(await shown(/(http:\S+\/oauth2\/authorize\?\S+)/));
    // Somebody else's answer, put to the port of the command by a page or a program of this machine.
    const port = `${address.searchParams.get("redirect_uri")}`;
    const state = `${address.searchParams.get("state")}`;
    for (const forged of [
      `code=x&state=x&iss=${server.url}`,
      `code=x&state=${state}&iss=https://evil.example`,
      `state=${state}`,
    ]) {
      assert.equal((await fetch(`${port}?${forged}`)).status, 400, forged);
    }
    const page = await browser.newPage();
    await page.goto(address.href);
    await page.getByRole("heading", { name: "Let Latchkey CLI in?" }).waitFor();
    await page.getByRole("button", { name: "Let it in" }).click();
    await page.getByText("You are signed in").waitFor();
    await page.close();
    assert.equal(await ended, 0, output());
    assert.ok(!output().includes("lk_"));
    const me = await built.cli.json<{ email: string }>(["me"]);
    assert.equal(me.email, person.email);
    assert.match(await stored(), /lk_at_[\s\S]*lk_rt_/);
    assert.equal(
      (await built.cli.json<{ source?: string; credential: string }>(["status"])).credential,
      "profile DEFAULT",
    );
    const elsewhere = await built.cli.run(["me", "--host", "http://127.0.0.1:9"]);
    assert.equal(elsewhere.code, 3);
  });

  test("refreshes before its time is over, once for two commands at once", async () => {
    const before_refresh = await stored();
    await age(Date.now() + 1_000);
    const runs = await Promise.all([built.cli.run(["me"]), built.cli.run(["me"])]);
    for (const { code, stderr } of runs) assert.equal(code, 0, stderr);
    const after_refresh = await stored();
    const tokenOf = (text: string) => /lk_rt_\w+/.exec(text)?.[0];
    assert.notEqual(tokenOf(after_refresh), tokenOf(before_refresh));
    const { rows } = await metadata.query("select from oauth_refresh_tokens");
    assert.equal(rows.length, 2, "refreshed once");
  });

  test("a login that was ended at the server says to sign in again", async () => {
    const [grant] = await grants();
    await server.expect(200, "DELETE", `/oauth_grants/${grant?.id}`, { key: person.key });
    const refused = await built.cli.run(["me"]);
    assert.equal(refused.code, 3);
    assert.match(refused.stderr, /latchkey auth/);
    await age(1);
    const expired = await built.cli.run(["me"]);
    assert.equal(expired.code, 3);
    assert.match(expired.stderr, /the login has ended[\s\S]*latchkey auth/);
  });

  test("from a machine without a browser: the person types the code, sees who asks, and lets it in", async () => {
    const { ended, shown, output } = start("auth", "--device");
    const address = await shown(/Open (\S+) in a browser/);
    const code = await shown(/^ {2}([A-Z]{4}-[A-Z]{4})$/m);
    const page = await browser.newPage();
    await page.goto(address);
    await page.getByLabel("Code").fill("BBBB-BBBB");
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByText("No machine waits under this code").waitFor();
    await page.getByLabel("Code").fill(code.toLowerCase());
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByRole("heading", { name: "Let Latchkey CLI in?" }).waitFor();
    await page.getByRole("main").filter({ hasText: code }).filter({ hasText: "127.0.0.1" }).waitFor();
    await page.getByRole("button", { name: "Let it in" }).click();
    await page.getByRole("heading", { name: "Latchkey CLI is let in" }).waitFor();
    await page.close();
    assert.equal(await ended, 0, output());
    assert.equal((await built.cli.json<{ email: string }>(["me"])).email, person.email);
  });

  test("a refusal in the browser ends the command that waits, with the code for it", async () => {
    const { ended, shown, output } = start("auth", "--device", "--profile", "other");
    const code = await shown(/^ {2}([A-Z]{4}-[A-Z]{4})$/m);
    const page = await browser.newPage();
    await page.goto(`${server.url}/oauth/device?user_code=${code}`);
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByRole("button", { name: "Refuse" }).click();
    await page.getByRole("heading", { name: "Nothing was let in" }).waitFor();
    await page.close();
    assert.equal(await ended, 4, output());
    assert.match(output(), /refused in the browser/);
  });

  test("logout ends the login at the server", async () => {
    assert.equal((await grants()).length, 1);
    const { code, stderr } = await built.cli.run(["auth", "logout"]);
    assert.equal(code, 0);
    assert.match(stderr, /its login has ended/);
    assert.deepEqual(await grants(), []);
    assert.ok(!(await stored()).includes("lk_"));
  });

  test("in continuous integration nobody is asked to sign in", async () => {
    const { code, stderr } = await built.cli.run(["auth"], { env: { CI: "true" } });
    assert.equal(code, 2);
    assert.match(stderr, /--api-key-stdin/);
  });
});
