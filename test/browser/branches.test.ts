import assert from "node:assert/strict";
import test, { after } from "node:test";
import pg from "pg";
import { findLeftProcesses } from "../../scripts/leftovers.ts";
import { findCopyMethod } from "../../server/compute/drivers/local/clone.ts";
import { waitFor } from "../harness/server.ts";
import { createOrganization, createProject, setupTokenOf, signUp } from "../harness/world.ts";
import { copiedBy } from "./clipboard.ts";
import { unavailable } from "./states.ts";
import { startStage } from "./visit.ts";

/** The branches of a project: made, found in their tree, changed, reset and deleted, with real data in them. */
const stage = await startStage({ after });
const { server } = stage;
const ada = await signUp(server, "Ada", { setup_token: setupTokenOf(server) });
const org_id = await createOrganization(server, ada.key, "Acme");
const { project, connection_uris } = await createProject(server, ada.key, org_id, "storefront");
await server.settle(project.id, ada.key);
const { page } = await stage.visit({
  cookie: ada.cookie,
  permissions: ["clipboard-read", "clipboard-write"],
  expected: /status of (404|409|422|423|500)/,
});
const tree = page.getByRole("table", { name: "Branches" });
const names = async () => await tree.getByRole("rowheader").allInnerTexts();
const at = (path: string) => `${server.url}/projects/${project.id}/${path}`;

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

const copiedUri = () => copiedBy(page.getByRole("button", { name: "Copy Connection string with password" }));

async function ask(row: string, item: string): Promise<void> {
  await page.getByRole("button", { name: `Actions for ${row}` }).click();
  await page.getByRole("menuitem", { name: item }).click();
}

/** Presses the button that says the verb, and waits until what it does is done. */
async function confirm(verb: string): Promise<void> {
  const asked = page.getByRole("alertdialog");
  await asked.getByRole("button", { name: verb }).click();
  await asked.waitFor({ state: "detached" });
}

test("a branch is created from the default one, and has its data under an address of its own", async () => {
  await sql(connection_uris[0]?.connection_uri ?? "", "create table note as select 'from main' as text");
  await page.goto(at("branches"));
  await page.getByRole("button", { name: "Create branch" }).click();
  const form = page.getByRole("dialog", { name: "Create branch" });
  await form.getByRole("button", { name: "Create branch" }).click();
  await form.getByText("Give the branch a name.").waitFor();
  await form.getByLabel("Name").fill("main");
  await form.getByRole("button", { name: "Create branch" }).click();
  await form.getByText(/has a branch of this name/).waitFor();
  await form.getByLabel("Name").fill("preview/login");
  await form.getByLabel("Delete it").selectOption({ label: "In 7 days" });
  await form.getByRole("button", { name: "Create branch" }).click();
  await page.getByRole("heading", { level: 1, name: "Branch preview/login" }).waitFor();
  await page.getByText("active", { exact: true }).waitFor();
  await page.getByText(/^in [67] days$/).waitFor();
  const uri = await copiedUri();
  assert.notEqual(new URL(uri).port, new URL(connection_uris[0]?.connection_uri ?? "").port);
  assert.deepEqual(await sql(uri, "select text from note"), [{ text: "from main" }]);
  assert.ok(!(await page.content()).includes(new URL(uri).password), "the password is not in the page");
});

test("a branch of the schema alone has its parent's tables without their rows, and is a root", async () => {
  await page.goto(at("branches"));
  await page.getByRole("button", { name: "Create branch" }).click();
  const form = page.getByRole("dialog", { name: "Create branch" });
  await form.getByLabel("Name").fill("shape");
  await form.getByLabel("Begins with").selectOption({ label: "Its schema alone, as a root of its own" });
  await form.getByRole("button", { name: "Create branch" }).click();
  await page.getByRole("heading", { level: 1, name: "Branch shape" }).waitFor();
  await page.getByText("active", { exact: true }).waitFor();
  assert.deepEqual(await sql(await copiedUri(), "select count(*)::int from note"), [{ count: 0 }]);
  const { branches } = await server.expect<{ branches: { id: string; name: string; parent_id?: string }[] }>(
    ...([200, "GET", `/projects/${project.id}/branches`, { key: ada.key }] as const),
  );
  const shape = branches.find(({ name }) => name === "shape");
  assert.ok(shape && shape.parent_id === undefined);
  await server.settle(project.id, ada.key);
  await server.expect(200, "DELETE", `/projects/${project.id}/branches/${shape.id}`, { key: ada.key });
  await server.settle(project.id, ada.key);
});

test("the tree shows parents before their children, and who comes from whom to every reader", async () => {
  await page.goto(at("branches"));
  await ask("preview/login", "Create branch from it…");
  const form = page.getByRole("dialog", { name: "Create branch" });
  await form.getByLabel("Name").fill("deeper");
  await form.getByLabel("Without", { exact: true }).check();
  await form.getByRole("button", { name: "Create branch" }).click();
  await page.getByRole("heading", { level: 1, name: "Branch deeper" }).waitFor();
  await page.getByText("This branch is data alone").waitFor();
  await page.getByText("This branch has no compute. Add one to connect to it.").waitFor();
  await page.getByText("ready", { exact: true }).waitFor();
  await server.expect(201, "POST", `/projects/${project.id}/branches`, {
    key: ada.key,
    body: { branch: { name: "another" } },
  });
  await page.goto(at("branches"));
  await tree.getByRole("rowheader", { name: /^another from main/ }).waitFor();
  const shown = (await names()).map((name) => name.split("\n")[0]);
  assert.deepEqual(shown, ["main", "preview/login", "deeper", "another"]);
  await tree.getByRole("rowheader", { name: /^deeper from preview\/login/ }).waitFor();
  await tree.getByRole("row", { name: /^main default ready active/ }).waitFor();
  await tree.getByRole("row", { name: /^deeper .*ready none/ }).waitFor();
  await page.getByRole("button", { name: "Name" }).click();
  await page.waitForURL(/sort=name$/);
  await tree
    .getByRole("rowheader")
    .first()
    .and(tree.getByRole("rowheader", { name: /^another/ }))
    .waitFor();
  await server.settle(project.id, ada.key);
});

test("a branch is renamed; a name that is taken is told beside the field", async () => {
  await page.goto(at("branches"));
  await ask("another", "Rename…");
  const form = page.getByRole("dialog", { name: "Rename another" });
  await form.getByLabel("Name").fill("deeper");
  await form.getByRole("button", { name: "Rename" }).click();
  await form.locator("[id$=-error]").waitFor();
  await form.getByLabel("Name").fill("staging");
  await form.getByRole("button", { name: "Rename" }).click();
  await tree.getByRole("rowheader", { name: /^staging/ }).waitFor();
});

test("protection keeps a branch from being deleted and reset, and says so in the menu", async () => {
  await ask("staging", "Protect…");
  await confirm("Protect branch");
  await tree.getByRole("rowheader", { name: /staging.*protected/ }).waitFor();
  await page.getByRole("button", { name: "Actions for staging" }).click();
  await unavailable(page.getByRole("menuitem", { name: /^Delete….*End its protection first/ }));
  await page.keyboard.press("Escape");
  await ask("staging", "End protection…");
  await confirm("End protection");
  await tree.getByRole("rowheader", { name: /staging.*protected/ }).waitFor({ state: "detached" });
});

test("another branch becomes the default one, and back", async () => {
  await ask("staging", "Make it the default…");
  await confirm("Make it the default");
  await tree.getByRole("rowheader", { name: /staging.*default/ }).waitFor();
  await ask("main", "Make it the default…");
  await confirm("Make it the default");
  await tree.getByRole("rowheader", { name: /main.*default/ }).waitFor();
});

test("the time at which a branch expires is changed and taken away", async () => {
  await ask("staging", "Set expiry…");
  const form = page.getByRole("dialog", { name: "Expiry of staging" });
  await form.getByLabel("Delete it").selectOption({ label: "At a time of your choice" });
  await form.getByLabel("Time", { exact: true }).fill("2020-01-01T00:00");
  await form.getByRole("button", { name: "Set expiry" }).click();
  await form.getByText("Choose a time that is still to come.").waitFor();
  await form.getByLabel("Delete it").selectOption({ label: "In 1 day" });
  await form.getByRole("button", { name: "Set expiry" }).click();
  await tree.getByRole("row", { name: /staging.*(tomorrow|in 23 hours)/ }).waitFor();
  await ask("staging", "Set expiry…");
  await form.getByLabel("Delete it").selectOption({ label: "Never" });
  await form.getByRole("button", { name: "Set expiry" }).click();
  await tree.getByRole("row", { name: /staging.*never/ }).waitFor();
});

test("a reset gives a branch its parent's data again; one with children keeps what it had under a name", async () => {
  const { branches } = await server.expect<{ branches: { id: string; name: string }[] }>(
    200,
    "GET",
    `/projects/${project.id}/branches`,
    { key: ada.key },
  );
  const preview = branches.find(({ name }) => name === "preview/login")?.id ?? "";
  await page.goto(at(`branches/${preview}`));
  const uri = await copiedUri();
  await sql(uri, "insert into note values ('of the preview')");
  await page.getByRole("button", { name: "Branch actions" }).click();
  await page.getByRole("menuitem", { name: "Reset…" }).click();
  const form = page.getByRole("dialog", { name: "Reset preview/login?" });
  await form.getByRole("radio", { name: "Is deleted", disabled: true }).waitFor();
  await form.getByLabel("Name of that branch").fill("preview-before");
  await form.getByRole("button", { name: "Reset branch" }).click();
  await form.waitFor({ state: "detached" });
  await server.settle(project.id, ada.key);
  await page.getByText("Working on the branch").waitFor({ state: "detached" });
  assert.deepEqual(await sql(await copiedUri(), "select text from note"), [{ text: "from main" }]);
  await page.getByRole("link", { name: "Branches" }).click();
  await tree.getByRole("rowheader", { name: /^deeper from preview-before/ }).waitFor();
});

test("a branch with children is not deleted; a leaf is, once it is said what goes", async () => {
  await page.goto(at("branches"));
  await page.getByRole("button", { name: "Actions for preview-before" }).click();
  await unavailable(page.getByRole("menuitem", { name: /^Delete….*Other branches come/ }));
  await page.keyboard.press("Escape");
  await ask("deeper", "Delete…");
  const asked = page.getByRole("alertdialog", { name: "Delete deeper?" });
  await asked.getByText(/Its data.*roles and databases are deleted/).waitFor();
  await asked.getByText("deeper cannot be recovered.").waitFor();
  await confirm("Delete branch");
  await tree.getByRole("rowheader", { name: /^deeper/ }).waitFor({ state: "detached" });
});

test("deleting on the branch's own page leads back to the tree, and its address says that there is nothing", async () => {
  // By the keyboard: where a row has just gone, those below it move under a pointer that is on its way.
  await tree.getByRole("link", { name: "staging" }).press("Enter");
  await page.getByRole("heading", { level: 1, name: "Branch staging" }).waitFor();
  const address = page.url();
  await page.getByRole("button", { name: "Branch actions" }).click();
  await page.getByRole("menuitem", { name: "Delete…" }).click();
  await confirm("Delete branch");
  await page.getByRole("heading", { level: 1, name: "Branches" }).waitFor();
  await page.goto(address);
  await page.getByText("It does not exist, or you are not a member").waitFor();
  await page.getByRole("button", { name: "Switch branch, now Unknown branch" }).waitFor();
  await page.getByRole("link", { name: "See the branches" }).click();
  await page.getByRole("heading", { level: 1, name: "Branches" }).waitFor();
});

test("an order that fails says so in the dialog with the request id, and can be given again", async () => {
  const request_id = "5c1f9f0e-7e0f-4a51-9f7c-0d7c0b7f2f4e";
  const deletion = new RegExp(`/api/v2/projects/${project.id}/branches/[^/]+$`);
  let busy = true;
  await page.route(deletion, (route) =>
    route.request().method() === "DELETE" && busy
      ? route.fulfill({ status: 423, json: { request_id, code: "LOCKED", message: "busy" } })
      : route.continue(),
  );
  await page.goto(at("branches"));
  await ask("preview/login", "Delete…");
  const asked = page.getByRole("alertdialog");
  await asked.getByRole("button", { name: "Delete branch" }).click();
  await asked.getByText("The server is still working here").waitFor();
  await asked.getByText(request_id).waitFor();
  busy = false;
  await confirm("Delete branch");
  await tree.getByRole("rowheader", { name: /^preview\/login/ }).waitFor({ state: "detached" });
  await page.unroute(deletion);
});

test("a branch that somebody else has deleted is gone; one that was only not found is still there", async () => {
  const deletion = new RegExp(`/api/v2/projects/${project.id}/branches/[^/]+$`);
  const body = { branch: { name: "contested" } };
  const path = `/projects/${project.id}/branches`;
  const { branch } = await server.expect<{ branch: { id: string } }>(201, "POST", path, { key: ada.key, body });
  await server.settle(project.id, ada.key);
  await page.goto(at("branches"));
  await page.route(deletion, (route) =>
    route.request().method() === "DELETE"
      ? route.fulfill({ status: 404, json: { request_id: "", code: "NOT_FOUND", message: "not found" } })
      : route.continue(),
  );
  await ask("contested", "Delete…");
  const asked = page.getByRole("alertdialog");
  await asked.getByRole("button", { name: "Delete branch" }).click();
  await asked.getByRole("alert").getByText("Not found").waitFor();
  await page.unroute(deletion);
  await server.expect(200, "DELETE", `${path}/${branch.id}`, { key: ada.key });
  await confirm("Delete branch");
  await page.getByText("contested is deleted.").waitFor();
  await tree.getByRole("rowheader", { name: /^contested/ }).waitFor({ state: "detached" });
});

test("the page of a branch that somebody else deletes says that it is gone", async () => {
  const body = { branch: { name: "fleeting" } };
  const path = `/projects/${project.id}/branches`;
  const { branch } = await server.expect<{ branch: { id: string } }>(201, "POST", path, { key: ada.key, body });
  await server.settle(project.id, ada.key);
  await page.goto(at(`branches/${branch.id}`));
  await page.getByRole("heading", { level: 1, name: "Branch fleeting" }).waitFor();
  await server.expect(200, "DELETE", `${path}/${branch.id}`, { key: ada.key });
  await page.getByText("It does not exist, or you are not a member").waitFor();
});

test("a branch that is copied byte by byte shows how far it is, in the tree and among the operations", async (t) => {
  if ((await findCopyMethod(server.data_dir)) === "reflink") return t.skip("blocks are shared here: nothing is copied");
  const uri = connection_uris[0]?.connection_uri ?? "";
  await sql(uri, "create table filler as select repeat('x', 900) as text from generate_series(1, 250000)");
  const made = server.expect(201, "POST", `/projects/${project.id}/branches`, {
    key: ada.key,
    body: { branch: { name: "copied" } },
  });
  let copying: number | undefined;
  await waitFor("the copy to begin", async () => {
    copying = (await findLeftProcesses(server.data_dir, 0)).find(({ command }) =>
      /^cp .*local\/work\/clone-/.test(command),
    )?.pid;
    return copying !== undefined;
  });
  // Held, and let go for moments until some of it is there.
  process.kill(copying ?? Number.NaN, "SIGSTOP");
  try {
    await made;
    const progress = async () => {
      const { operations } = await server.expect<{
        operations: { progress?: { copied_bytes: number; total_bytes: number } }[];
      }>(200, "GET", `/projects/${project.id}/operations`, { key: ada.key });
      return operations.find((operation) => operation.progress !== undefined)?.progress;
    };
    await waitFor("a part of it", async () => {
      const { copied_bytes, total_bytes } = (await progress()) ?? { copied_bytes: 0, total_bytes: 0 };
      assert.ok(copied_bytes <= total_bytes);
      if (copied_bytes > total_bytes / 50) return true;
      process.kill(copying ?? Number.NaN, "SIGCONT");
      await new Promise((resolve) => setTimeout(resolve, 5));
      process.kill(copying ?? Number.NaN, "SIGSTOP");
      return false;
    });
    assert.ok(((await progress())?.total_bytes ?? 0) > 225_000_000);
    await page.goto(at("branches"));
    await tree.getByRole("row", { name: /^copied .*being made, [1-9]\d? %/ }).waitFor();
    await page
      .getByRole("region", { name: "Progress" })
      .getByText(/running, \d+ % of \d+ MB copied/)
      .waitFor();
    await page.goto(at("operations"));
    await page.getByText(/^[1-9]\d? % of \d+ MB copied$/).waitFor();
  } finally {
    process.kill(copying ?? Number.NaN, "SIGCONT");
  }
  await server.settle(project.id, ada.key);
  await page.goto(at("branches"));
  await tree.getByRole("row", { name: /^copied .*ready/ }).waitFor();
  await page.goto(at("operations"));
  await page.getByText("Create branch storage").first().waitFor();
  await page.getByText(/% of .* copied/).waitFor({ state: "detached" });
});

test("of ten thousand branches only those near the window are in the page", async () => {
  const created_at = new Date().toISOString();
  const shared = { project_id: project.id, current_state: "ready", created_at, updated_at: created_at, default: false };
  const branches = Array.from({ length: 10_000 }, (_, index) => ({
    ...shared,
    id: `br-many-${index}`,
    name: `many-${index}`,
    ...(index === 0 ? {} : { parent_id: `br-many-${Math.floor((index - 1) / 8)}` }),
  }));
  const list = new RegExp(`/api/v2/projects/${project.id}/branches(\\?|$)`);
  await page.route(list, (route) => route.fulfill({ json: { branches, annotations: {} } }));
  await page.goto(at("branches"));
  await page.getByText("10,000 in all").waitFor();
  assert.ok((await tree.getByRole("row").count()) < 100);
  await page.getByRole("searchbox", { name: "Search branches" }).fill("many-9999");
  await tree.getByRole("rowheader", { name: /^many-9999 from many-1249/ }).waitFor();
  await page.unroute(list);
});
