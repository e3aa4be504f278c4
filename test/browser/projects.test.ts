import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import test, { after } from "node:test";
import { promisify } from "node:util";
import { ensurePgBouncer } from "../harness/pgbouncer.ts";
import { waitFor } from "../harness/server.ts";
import { createOrganization, setupTokenOf, signUp } from "../harness/world.ts";
import { copiedBy } from "./clipboard.ts";
import { placesThatHold } from "./secrets-in-page.ts";
import { focused } from "./states.ts";
import { startStage } from "./visit.ts";

/** A project's life, from the form to a real Postgres that answers, and to its end. */
const stage = await startStage({ after }, { LATCHKEY_PGBOUNCER: await ensurePgBouncer() });
const { server } = stage;
const ada = await signUp(server, "Ada", { setup_token: setupTokenOf(server) });
const { page } = await stage.visit({
  cookie: ada.cookie,
  permissions: ["clipboard-read", "clipboard-write"],
  expected: /status of (400|404|412)/,
});
let project_id = "";
let password = "";

test("a project is created, shows its progress, and ends ready", async () => {
  await page.goto(`${server.url}/`);
  await page.getByRole("link", { name: "Create project" }).click();
  await page.getByRole("button", { name: "Create project" }).click();
  await page.getByText("Give the project a name.").waitFor();
  await page.getByLabel("Name").fill("storefront");
  await page.getByText("Database and role names").click();
  await page.getByLabel("Database").fill("shop");
  await page.getByRole("button", { name: "Create project" }).click();
  await page.getByRole("heading", { level: 1, name: "storefront" }).waitFor();
  project_id = /projects\/([^/]+)$/.exec(page.url())?.[1] ?? "";
  await page.getByRole("table", { name: "Computes" }).getByText("active", { exact: true }).waitFor();
  await page.getByText("Working on the project").waitFor({ state: "detached" });
});

test("the connection string is shown without its password until that is asked for, and works", async () => {
  const shown = page.locator("code").first();
  await shown.filter({ hasText: /^postgresql:\/\/\S+:••••••••@\S+\/shop\?sslmode=require/ }).waitFor();
  const uri = await copiedBy(page.getByRole("button", { name: "Copy Connection string with password" }));
  password = new URL(uri).password;
  assert.notEqual(password, "");
  assert.deepEqual(await placesThatHold(page, password), [], "copying does not show it");
  await page.getByRole("button", { name: "Show password" }).click();
  await shown.filter({ hasText: password }).waitFor();
  assert.equal(uri, await shown.textContent());
  await page.getByRole("button", { name: "Hide password" }).click();
  await page.getByRole("button", { name: "Show password" }).waitFor();
  assert.deepEqual(await placesThatHold(page, password), []);
});

test("a password is copied where the clipboard is open during the press alone, as in Safari", async () => {
  const safari = await stage.visit({ cookie: ada.cookie, permissions: ["clipboard-read", "clipboard-write"] });
  await safari.context.addInitScript(() => {
    const { writeText } = Clipboard.prototype;
    let pressing = false;
    window.addEventListener(
      "click",
      () => {
        pressing = true;
        setTimeout(() => (pressing = false));
      },
      true,
    );
    Clipboard.prototype.writeText = async function (text) {
      // The clearing before each copy is the test's own.
      if (!pressing && text !== "") throw new DOMException("not in a press", "NotAllowedError");
      await writeText.call(this, text);
    };
  });
  await safari.page.goto(`${server.url}/projects/${project_id}`);
  const uri = await copiedBy(safari.page.getByRole("button", { name: "Copy Connection string with password" }));
  assert.equal(new URL(uri).password, password);
  await safari.page.getByRole("button", { name: "Copied" }).waitFor();
  await safari.context.close();
});

test("a password that cannot be copied says why", async () => {
  const json = { request_id: "", code: "PRECONDITION_FAILED", message: "the password was set with SQL" };
  await page.route(/\/reveal_password$/, (route) => route.fulfill({ status: 412, json }));
  await page.getByRole("button", { name: "Copy Connection string with password" }).click();
  await page.getByRole("alert").getByText("The password was set with SQL.").waitFor();
  await page.unroute(/\/reveal_password$/);
  await copiedBy(page.getByRole("button", { name: "Copy Connection string with password" }));
  await page.getByRole("alert").waitFor({ state: "detached" });
});

test("what is copied for Node.js runs as it is", async () => {
  await page.getByText("Node.js", { exact: true }).click();
  const copied = await copiedBy(page.getByRole("button", { name: "Copy Node.js with password" }));
  const program = `${copied}\nawait client.end();`;
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program], {
    cwd: join(import.meta.dirname, "../.."),
    timeout: 60_000,
  });
  assert.match(stdout, /PostgreSQL 1\d/);
});

test("each client has its own form, and none shows the password unasked", async () => {
  for (const client of ["psql", ".env", "Python", "Go", "JDBC"]) {
    await page.getByText(client, { exact: true }).click();
    const text = (await page.locator("code").first().textContent()) ?? "";
    assert.match(text, /••••••••/, client);
    assert.ok(!text.includes(password), client);
  }
});

test("connections are pooled unless that is switched off, and .env has both strings", async () => {
  const text = async (client: string) => {
    await page.getByText(client, { exact: true }).click();
    return (await page.locator("code").first().textContent()) ?? "";
  };
  const pooled = page.getByRole("checkbox", { name: "Pooled connection" });
  assert.equal(await pooled.isChecked(), true);
  const option = /options=endpoint%3Dep-[a-z0-9-]+-pooler/;
  for (const client of ["Connection string", "psql", "Node.js", "Python", "Go", "JDBC"]) {
    assert.match(await text(client), option, client);
  }
  const [url = "", unpooled = "", ...rest] = (await text(".env")).trimEnd().split("\n");
  assert.deepEqual(rest, []);
  assert.match(url, /^DATABASE_URL='postgresql:/);
  assert.match(url, option);
  assert.match(unpooled, /^DATABASE_URL_UNPOOLED='postgresql:/);
  assert.doesNotMatch(unpooled, option);
  await page.getByText("Many clients share a few sessions, each for one transaction at a time.").waitFor();
  await pooled.uncheck();
  await page.getByText("Each client has a session of its own. Migrations and pg_dump need that.").waitFor();
  for (const client of ["Connection string", "psql", ".env", "Node.js", "Python", "Go", "JDBC"]) {
    assert.doesNotMatch(await text(client), /pooler|UNPOOLED/, client);
  }
  await pooled.check();
});

test("branches, their computes, databases and roles, and the operations are all there", async () => {
  await page.getByRole("link", { name: "Branches" }).click();
  await page
    .getByRole("rowheader", { name: /main.*default/ })
    .getByRole("link")
    .click();
  await page.getByRole("heading", { level: 1, name: "Branch main" }).waitFor();
  await page.getByRole("button", { name: "Switch branch, now main" }).waitFor();
  await page.getByRole("table", { name: "Databases" }).getByRole("rowheader", { name: "shop" }).waitFor();
  await page.getByRole("table", { name: "Roles" }).getByRole("rowheader").first().waitFor();
  await page.getByRole("link", { name: "Operations" }).click();
  await page.getByRole("row", { name: /Start compute.*finished/ }).waitFor();
});

test("a project is renamed, and the switcher knows it", async () => {
  await page.getByRole("link", { name: "Settings" }).click();
  await page.getByLabel("Name").fill("shop front");
  await page.getByRole("button", { name: "Rename" }).click();
  await page.getByRole("button", { name: "Switch project, now shop front" }).click();
  await page.getByRole("menuitem", { name: "Create project" }).waitFor();
  await page.keyboard.press("Escape");
});

test("the addresses that may connect and the defaults of computes are kept, and wrong ones told beside their field", async () => {
  const addresses = page.getByRole("form", { name: "Allowed addresses" });
  await addresses.getByLabel("Addresses and ranges").fill("203.0.113.0/24\nnonsense");
  await addresses.getByRole("button", { name: "Save addresses" }).click();
  await addresses.getByText(/"nonsense" in "allowed_ips" is not/).waitFor();
  await addresses.getByLabel("Addresses and ranges").fill("203.0.113.0/24\n192.0.2.4");
  await addresses.getByLabel("Protected branches only").check();
  await addresses.getByRole("button", { name: "Save addresses" }).click();
  await page.getByText("Only these addresses may connect from now on.").waitFor();
  const defaults = page.getByRole("form", { name: "Defaults of new computes" });
  await defaults.getByLabel("PostgreSQL settings").fill("work_mem = 12MB");
  await defaults.getByLabel("Suspend").selectOption({ label: "Never by itself" });
  await defaults.getByLabel("Size").selectOption({ label: "0.5 CU, 2 GB of memory" });
  await defaults.getByRole("button", { name: "Save defaults" }).click();
  await page.getByText("New computes get these settings.").waitFor();
  const { project } = await server.expect<{ project: Record<string, unknown> }>(200, "GET", `/projects/${project_id}`, {
    key: ada.key,
  });
  assert.deepEqual(project.settings, {
    allowed_ips: { ips: ["203.0.113.0/24", "192.0.2.4"], protected_branches_only: true },
  });
  assert.deepEqual(project.default_endpoint_settings, {
    pg_settings: { work_mem: "12MB" },
    autoscaling_limit_min_cu: 0.5,
    autoscaling_limit_max_cu: 0.5,
    suspend_timeout_seconds: -1,
  });
});

test("limits are set in hours and gigabytes, and taken away again", async () => {
  const limits = page.getByRole("form", { name: "Limits" });
  const running = limits.getByLabel("Time that computes run, in hours");
  const save = limits.getByRole("button", { name: "Save limits" });
  await running.fill("a lot");
  await save.click();
  await limits.getByText("Write a number, such as 100 or 2.5").waitFor();
  await running.fill("1.5");
  await limits.getByLabel("Size of each branch, in GB").fill("2");
  await save.click();
  await page.getByText("The limits are saved.").waitFor();
  const readQuota = async () =>
    (
      await server.expect<{ project: { settings: { quota: object } } }>(200, "GET", `/projects/${project_id}`, {
        key: ada.key,
      })
    ).project.settings.quota;
  assert.deepEqual(await readQuota(), { active_time_seconds: 5_400, logical_size_bytes: 2e9 });
  await page.reload();
  assert.equal(await running.inputValue(), "1.5");
  await running.fill("");
  await save.click();
  await page.getByText("The limits are saved.").waitFor();
  assert.deepEqual(await readQuota(), { active_time_seconds: 0, logical_size_bytes: 2e9 });
});

test("saving a part of the settings leaves what was typed in the others, and the focus", async () => {
  const addresses = page.getByLabel("Addresses and ranges");
  await addresses.fill("198.51.100.7");
  const limits = page.getByRole("form", { name: "Limits" });
  const running = limits.getByLabel("Time that computes run, in hours");
  await running.fill("3.0");
  await running.press("Enter");
  await waitFor("the limit as it is kept", async () => (await running.inputValue()) === "3");
  await focused(running);
  assert.equal(await addresses.inputValue(), "198.51.100.7");
});

test("a project is given to another organization that one belongs to", async () => {
  const transfer = page.getByRole("button", { name: "Transfer project…" });
  await transfer.and(page.getByRole("button", { disabled: true })).waitFor();
  await page.getByText("You belong to no other organization.").first().waitFor({ state: "attached" });
  const org_id = await createOrganization(server, ada.key, "Subsidiary");
  await page.reload();
  await transfer.click();
  const asked = page.getByRole("dialog", { name: "Transfer shop front?" });
  await asked.getByRole("button", { name: "Transfer project" }).click();
  await asked.getByText("Choose where the project goes.").waitFor();
  await asked.getByLabel("To organization").selectOption({ label: "Subsidiary" });
  await asked.getByRole("button", { name: "Transfer project" }).click();
  await page.getByText("shop front belongs to Subsidiary now.").waitFor();
  await page.getByRole("button", { name: "Switch organization, now Subsidiary" }).waitFor();
  const { project } = await server.expect<{ project: { org_id: string } }>(200, "GET", `/projects/${project_id}`, {
    key: ada.key,
  });
  assert.equal(project.org_id, org_id);
});

test("deleting asks for the name, and takes nothing else for it", async () => {
  await page.getByRole("button", { name: "Delete project…" }).click();
  const asked = page.getByRole("dialog", { name: "Delete shop front?" });
  await asked.getByRole("textbox").fill("shop");
  await asked.getByRole("button", { name: "Delete project" }).click();
  await asked.getByText("Type the name exactly: shop front").waitFor();
  assert.equal((await server.call("GET", `/projects/${project_id}`, { key: ada.key })).status, 200);
  await asked.getByRole("textbox").fill("shop front");
  await asked.getByRole("button", { name: "Delete project" }).click();
  await page.getByRole("heading", { level: 1, name: "Projects" }).waitFor();
  await page.getByText("A project is a Postgres of its own").waitFor();
  assert.equal((await server.call("GET", `/projects/${project_id}`, { key: ada.key })).status, 404);
  await page.goto(`${server.url}/projects/${project_id}`);
  await page.getByText("It does not exist, or you are not a member").waitFor();
});

test("a deleted project is listed for seven days, and comes back with its data", async () => {
  await page.goto(`${server.url}/`);
  await page.getByRole("link", { name: "Deleted projects" }).click();
  await page.getByRole("heading", { level: 1, name: "Deleted projects" }).waitFor();
  await page.getByRole("row", { name: /shop front.*(in [67] days)/ }).waitFor();
  await page.getByRole("button", { name: "Actions for shop front" }).click();
  await page.getByRole("menuitem", { name: "Recover…" }).click();
  await page.getByText("Its project-scoped keys stay revoked").waitFor();
  await page.getByRole("button", { name: "Recover project" }).click();
  await page.getByRole("heading", { level: 1, name: "shop front" }).waitFor();
  await page.getByRole("table", { name: "Computes" }).getByText("active", { exact: true }).waitFor();
  await page.goto(`${server.url}/`);
  await page.getByRole("link", { name: "Deleted projects" }).click();
  await page.getByText("No project was deleted in the last seven days.").waitFor();
});
