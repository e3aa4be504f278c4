import assert from "node:assert/strict";
import test, { after } from "node:test";
import pg from "pg";
import { connectToMetadata } from "../harness/metadata.ts";
import { createOrganization, createProject, setupTokenOf, signUp } from "../harness/world.ts";
import { violationsInBothThemes } from "./axe.ts";
import { copiedBy } from "./clipboard.ts";
import { placesThatHold } from "./secrets-in-page.ts";
import { unavailable } from "./states.ts";
import { startStage } from "./visit.ts";

/** What is on the page of one branch: its compute, databases and roles, each with a real Postgres behind it. */
const stage = await startStage({ after });
const { server } = stage;
const ada = await signUp(server, "Ada", { setup_token: setupTokenOf(server) });
const org_id = await createOrganization(server, ada.key, "Acme");
const { project, branch, endpoints, connection_uris } = await createProject(server, ada.key, org_id, "storefront");
await server.settle(project.id, ada.key);
const owner = new URL(connection_uris[0]?.connection_uri ?? "");
const { page } = await stage.visit({
  cookie: ada.cookie,
  permissions: ["clipboard-read", "clipboard-write"],
  expected: /status of (400|404|409|422|423|500)/,
});
const roles = page.getByRole("table", { name: "Roles" });
const databases = page.getByRole("table", { name: "Databases" });
/** Of the role `app`. */
let password = "";

async function sql(uri: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: uri.replace("sslmode=require", "sslmode=no-verify") });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

/** A connection string of the owner's with something of it changed. */
function uriOf(change: { username?: string; password?: string; pathname?: string }): string {
  return Object.assign(new URL(owner), change).href;
}

async function ask(row: string, item: string): Promise<void> {
  await page.getByRole("button", { name: `Actions for ${row}`, exact: true }).click();
  await page.getByRole("menuitem", { name: item }).click();
}

async function confirm(verb: string): Promise<void> {
  const asked = page.getByRole("alertdialog");
  await asked.getByRole("button", { name: verb }).click();
  await asked.waitFor({ state: "detached" });
}

/** Until the server has done what was asked, and the page takes orders again. */
async function settled(): Promise<void> {
  await server.settle(project.id, ada.key);
  await page.getByText("Working on the branch").waitFor({ state: "detached" });
}

test("a compute is suspended, started and restarted, and the page follows", async () => {
  await page.goto(`${server.url}/projects/${project.id}/branches/${branch.id}`);
  await page.getByRole("button", { name: "Suspend" }).click();
  await page.getByText("Connections to it end. The data stays, and it starts again when a client connects.").waitFor();
  await confirm("Suspend compute");
  await page.getByText("idle", { exact: true }).waitFor();
  await page.getByText(/^suspended .* on request, wakes when a client connects$/).waitFor();
  await settled();
  assert.equal((await sql(owner.href, "select 1 as one")).length, 1);
  await page.getByText("active", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Suspend" }).click();
  await confirm("Suspend compute");
  await page.getByText("idle", { exact: true }).waitFor();
  await settled();
  await page.getByRole("button", { name: "Start" }).click();
  await page.getByText("active", { exact: true }).waitFor();
  await settled();
  await page.getByRole("button", { name: "Restart" }).click();
  await confirm("Restart compute");
  await settled();
  await page.getByText("active", { exact: true }).waitFor();
  assert.equal((await sql(owner.href, "select 1 as one")).length, 1);
});

test("a compute's settings are chosen, reach Postgres, and a wrong one is told beside the field", async () => {
  const form = page.getByRole("dialog", { name: "Settings of the compute" });
  const open = async () => {
    await page.getByRole("button", { name: "More for this compute" }).click();
    await page.getByRole("menuitem", { name: "Settings…" }).click();
  };
  await open();
  await form.getByLabel("Name").fill("checkout");
  await form.getByLabel("PostgreSQL settings").fill("work_mem");
  await form.getByRole("button", { name: "Save" }).click();
  await form.getByText("Write each as name = value. This is not: work_mem").waitFor();
  await form.getByLabel("PostgreSQL settings").fill("shared_preload_libraries = evil");
  await form.getByRole("button", { name: "Save" }).click();
  await form.getByText(/"shared_preload_libraries" is not a setting that can be chosen here/).waitFor();
  await form.getByLabel("PostgreSQL settings").fill("work_mem = 23MB");
  await form.getByLabel("Suspend").selectOption({ label: "After 1 hour without use" });
  await form.getByLabel("Size").selectOption({ label: "0.5 CU, 2 GB of memory" });
  await form.getByRole("button", { name: "Save" }).click();
  await form.waitFor({ state: "detached" });
  await page.getByText("work_mem = 23MB").waitFor();
  await page.getByText("after 1 hour without use").waitFor();
  await page.getByText("0.5 CU, 2 GB of memory").waitFor();
  await page.getByText("checkout", { exact: true }).waitFor();
  await settled();
  assert.deepEqual(await sql(owner.href, "show work_mem"), [{ work_mem: "23MB" }]);
  assert.deepEqual(await sql(owner.href, "show max_connections"), [{ max_connections: "209" }]);
  await open();
  await form.getByLabel("Disabled").check();
  await form.getByRole("button", { name: "Save" }).click();
  await page.getByText("disabled", { exact: true }).waitFor();
  await settled();
  await unavailable(page.getByRole("button", { name: "Start" }));
  await open();
  await form.getByLabel("Enabled").check();
  await form.getByRole("button", { name: "Save" }).click();
  await page.getByText("active", { exact: true }).waitFor();
  await settled();
});

test("a role is created, its password is hidden until asked for, works, and is nowhere once the dialog is left", async () => {
  await page.getByRole("button", { name: "Create role" }).click();
  const form = page.getByRole("dialog", { name: "Create role" });
  await form.getByRole("button", { name: "Create role" }).click();
  await form.getByText("Give the role a name.").waitFor();
  await form.getByLabel("Name").fill("postgres");
  await form.getByRole("button", { name: "Create role" }).click();
  await form.getByText(/"name" is a reserved name/).waitFor();
  await form.getByLabel("Name").fill("app");
  await form.getByRole("button", { name: "Create role" }).click();
  const shown = page.getByRole("dialog", { name: "app is created" });
  await shown.waitFor();
  assert.equal(await shown.locator("code").textContent(), "••••••••");
  password = await copiedBy(shown.getByRole("button", { name: "Copy password" }));
  assert.match(password, /^\S{10,}$/);
  assert.deepEqual(await placesThatHold(page, password), [], "copying does not show it");
  await shown.getByRole("button", { name: "Show", exact: true }).click();
  await shown.getByText(password).waitFor();
  await shown.getByRole("button", { name: "Done" }).click();
  await shown.waitFor({ state: "detached" });
  assert.deepEqual(await placesThatHold(page, password), []);
  await roles.getByRole("row", { name: /^app with password/ }).waitFor();
  await settled();
  assert.deepEqual(await sql(uriOf({ username: "app", password }), "select current_user::text as me"), [{ me: "app" }]);
});

test("a password that is reset ends the old one, and the new one is shown on demand", async () => {
  const before = password;
  await page.getByLabel("Role", { exact: true }).selectOption("app");
  const panel = page.locator("section").filter({ has: page.getByRole("heading", { name: "Connect" }) });
  await panel.getByText("Node.js", { exact: true }).click();
  await panel.getByRole("button", { name: "Show password" }).click();
  await panel.getByText(before).waitFor();
  await ask("role app", "Reset password…");
  await confirm("Reset password");
  const shown = page.getByRole("dialog", { name: "app has a new password" });
  await shown.getByRole("button", { name: "Show", exact: true }).click();
  await shown.getByText("••••••••").waitFor({ state: "detached" });
  password = (await shown.locator("code").textContent()) ?? "";
  assert.notEqual(password, before);
  await page.keyboard.press("Escape");
  await settled();
  await panel.getByText(before).waitFor({ state: "detached" });
  assert.equal(await panel.getByRole("radio", { name: "Node.js" }).isChecked(), true);
  assert.ok((await copiedBy(panel.getByRole("button", { name: /^Copy/ }))).includes(password));
  await assert.rejects(sql(uriOf({ username: "app", password: before }), "select 1"), /password|authentication/);
  assert.equal((await sql(uriOf({ username: "app", password }), "select 1 as one")).length, 1);
  await ask("role app", "Show password…");
  const again = page.getByRole("dialog", { name: "Password of app" });
  await again.getByRole("button", { name: "Show", exact: true }).click();
  await again.getByText(password).waitFor();
  await page.goto(`${server.url}/account/profile`);
  await page.goBack();
  await page.getByRole("heading", { level: 1, name: "Branch main" }).waitFor();
  assert.deepEqual(await placesThatHold(page, password), [], "going away and back does not show it");
});

test("a role that does not log in has no password, and is not offered to connect as", async () => {
  await page.getByRole("button", { name: "Create role" }).click();
  const form = page.getByRole("dialog", { name: "Create role" });
  await form.getByLabel("Name").fill("readers");
  await form.getByLabel("Does not log in").check();
  await form.getByRole("button", { name: "Create role" }).click();
  await form.waitFor({ state: "detached" });
  await roles.getByRole("row", { name: /^readers does not log in/ }).waitFor();
  await settled();
  await page.getByRole("button", { name: "Actions for role readers" }).click();
  const item = page.getByRole("menuitem", { name: /^Show password…/ });
  await unavailable(item);
  await page.keyboard.press("Escape");
  const offered = page.getByLabel("Role", { exact: true }).getByRole("option");
  await offered.filter({ hasText: /^app$/ }).waitFor({ state: "attached" });
  assert.ok(!(await offered.allTextContents()).includes("readers"));
});

test("a database is created, renamed and given another owner, and deleted with what is in it", async () => {
  await page.getByRole("button", { name: "Create database" }).click();
  const form = page.getByRole("dialog", { name: "Create database" });
  await form.getByLabel("Name").fill("orders");
  await form.getByLabel("Owner").selectOption("app");
  await form.getByRole("button", { name: "Create database" }).click();
  await databases.getByRole("row", { name: /^orders app/ }).waitFor();
  await settled();
  await ask("database orders", "Change name or owner…");
  const change = page.getByRole("dialog", { name: "Change orders" });
  await change.getByLabel("Name").fill("purchases");
  await change.getByLabel("Owner").selectOption(owner.username);
  await change.getByRole("button", { name: "Save" }).click();
  await databases.getByRole("row", { name: new RegExp(`^purchases ${owner.username}`) }).waitFor();
  await settled();
  const rows = await sql(uriOf({ pathname: "/purchases" }), "select current_database()::text as name");
  assert.deepEqual(rows, [{ name: "purchases" }]);
  await ask("database purchases", "Delete…");
  await page.getByText("Everything in it is deleted").waitFor();
  await confirm("Delete database");
  await databases.getByRole("rowheader", { name: "purchases" }).waitFor({ state: "detached" });
  await settled();
});

test("a role that owns a database is not deleted, and the page says why; another one is", async () => {
  await ask(`role ${owner.username}`, "Delete…");
  const asked = page.getByRole("alertdialog");
  await asked.getByRole("button", { name: "Delete role" }).click();
  await asked.getByText(/The role owns the database/).waitFor();
  await asked.getByRole("button", { name: "Cancel" }).click();
  await ask("role app", "Delete…");
  await confirm("Delete role");
  await roles.getByRole("rowheader", { name: "app" }).waitFor({ state: "detached" });
  await settled();
});

test("a compute is deleted, and the branch is given another one with the same data", async () => {
  await sql(owner.href, "create table kept as select 1 as one");
  await page.getByRole("button", { name: "More for this compute" }).click();
  await page.getByRole("menuitem", { name: "Delete…" }).click();
  await confirm("Delete compute");
  await page.getByText("This branch is data alone").waitFor();
  await settled();
  await page.getByRole("button", { name: "Add compute" }).click();
  await page.getByText("active", { exact: true }).waitFor();
  await page.getByText(endpoints[0]?.id ?? "", { exact: true }).waitFor({ state: "detached" });
  await settled();
  const uri = await copiedBy(page.getByRole("button", { name: "Copy Connection string with password" }));
  assert.deepEqual(await sql(uri, "select one from kept"), [{ one: 1 }]);
});

test("a schema is compared with the parent's and with another branch's, or shown whole, and the address keeps which", async () => {
  await server.settle(project.id, ada.key);
  const body = { branch: { name: "with-orders" }, endpoints: [{ type: "read_write" }] };
  const path = `/projects/${project.id}`;
  const { key } = ada;
  const made = await server.expect<{ branch: { id: string } }>(201, "POST", `${path}/branches`, { key, body });
  await server.settle(project.id, ada.key);
  await page.goto(`${server.url}/projects/${project.id}/branches/${made.branch.id}`);
  await page.getByRole("link", { name: "Compare schema" }).click();
  await page.getByRole("heading", { name: "Schema of with-orders" }).waitFor();
  await page.getByText(/is the same in main\.$/).waitFor();

  const query = `branch_id=${made.branch.id}&database_name=neondb&role_name=${owner.username}`;
  const { uri } = await server.expect<{ uri: string }>(200, "GET", `${path}/connection_uri?${query}`, { key });
  await sql(uri, "create table orders (id int primary key, total numeric)");
  await page.reload();
  const difference = page.getByRole("region", { name: /^How neondb differs from main$/ });
  await difference.getByText("+CREATE TABLE public.orders (").waitFor();
  await page.getByText(/^\d+ lines added, 0 lines removed$/).waitFor();
  const copied = await copiedBy(page.getByRole("button", { name: "Copy difference" }));
  assert.match(copied, /^--- a\/neondb[\s\S]*\+CREATE TABLE public\.orders/);

  await page.getByLabel("Compared with").selectOption("Nothing: show all of it");
  const whole = page.getByRole("region", { name: "Schema of neondb" });
  await whole.getByText("CREATE TABLE public.orders (", { exact: true }).waitFor();
  await page.reload();
  await whole.waitFor();
  assert.deepEqual(await violationsInBothThemes(page), []);

  // Seen from the other side, what was added is missing.
  await page.goto(`${server.url}/projects/${project.id}/branches/${branch.id}/schema?base=${made.branch.id}`);
  await page.getByText("-CREATE TABLE public.orders (").waitFor();
  await page.goto(`${server.url}/projects/${project.id}/branches/${branch.id}/schema?base=br-gone`);
  await page.getByText("That branch is not there").waitFor();
  await page.goto(`${server.url}/projects/${project.id}/branches/${made.branch.id}/schema?db=elsewhere`);
  await page.getByText("Only one of the branches has the database elsewhere").waitFor();
});

test("a compute whose node is lost says so and since when, and takes no order", async () => {
  const database = await connectToMetadata(server.data_dir);
  try {
    await database.query(
      `insert into data_nodes (id, holder, holder_process, renewed_at)
       values ('lost', gen_random_uuid(), 'gone', now() - interval '3 hours')`,
    );
    await database.query("update branches set node_id = 'lost' where id = $1", [branch.id]);
  } finally {
    await database.end();
  }
  await page.goto(`${server.url}/projects/${project.id}/branches/${branch.id}`);
  await page.getByText("unreachable", { exact: true }).waitFor();
  await page.getByText(/last heard from 3 hours ago/).waitFor();
  for (const name of ["Restart", "Suspend"]) {
    await unavailable(page.getByRole("button", { name }), /^The node that has its data cannot be reached\.$/);
  }
  assert.deepEqual(await violationsInBothThemes(page), []);
  await page.goto(`${server.url}/projects/${project.id}`);
  await page.getByText("unreachable", { exact: true }).waitFor();
});
