import assert from "node:assert/strict";
import test, { after } from "node:test";
import { waitFor } from "../harness/server.ts";
import { setupTokenOf, signUp } from "../harness/world.ts";
import { manyKeys } from "./many-keys.ts";
import { focused } from "./states.ts";
import { NARROW, startStage, WIDE } from "./visit.ts";

/** How the Console behaves when there is much, when it is slow, when things fail, and without a mouse. */
const stage = await startStage({ after });
const { server } = stage;
const ada = await signUp(server, "Ada", { setup_token: setupTokenOf(server) });
await server.expect(200, "POST", "/api_keys", { key: ada.key, body: { key_name: "laptop" } });
const KEYS = /\/api\/v2\/api_keys$/;
const MANY = 10_000;
const visit = await stage.visit({
  cookie: ada.cookie,
  expected: /status of (401|404|409|500|503)|ERR_(FAILED|CONNECTION|INTERNET)/,
});
const { page } = visit;
const keys_page = `${server.url}/account/api-keys`;

async function withMany(run: () => Promise<void>): Promise<void> {
  const json = manyKeys(MANY, { id: ada.user_id, name: "Ada" });
  await page.route(KEYS, (route) => route.fulfill({ json }));
  await page.goto(keys_page);
  await page.getByText("10,000 in all").waitFor();
  await run();
  await page.unroute(KEYS);
}

test("of ten thousand keys only those near the window are in the page; all are scrolled to, searched and sorted", async () => {
  await withMany(async () => {
    const table = page.getByRole("table", { name: "API keys" });
    const rows = table.getByRole("row");
    assert.ok((await rows.count()) < 100);
    assert.equal(await table.getAttribute("aria-rowcount"), String(MANY + 1));
    await page.keyboard.press("End");
    await page.getByRole("rowheader", { name: "cron-00001" }).waitFor();
    assert.ok((await rows.count()) < 100);
    await page.keyboard.press("Home");
    await page.getByRole("searchbox", { name: "Search API keys" }).pressSequentially("deploy 0123");
    await page.getByText(/^2 of 10,000$/).waitFor();
    await page.getByRole("searchbox").fill("");
    await page.getByRole("button", { name: "Name" }).click();
    await page.getByRole("rowheader", { name: "backup-00003" }).waitFor();
  });
});

test("on a narrow screen a long table fills its width, and says under the name what its hidden columns would", async () => {
  await page.setViewportSize(NARROW);
  await withMany(async () => {
    const row = page.getByRole("row").filter({ hasText: "ci-10000" });
    await row
      .getByRole("rowheader")
      .getByText(/never used/)
      .waitFor();
    const menu = row.getByRole("button", { name: "Actions for ci-10000" });
    // The rows are laid out once they have been measured.
    await waitFor("the menu at the right edge", async () => {
      const box = await menu.boundingBox();
      return box !== null && box.x + box.width > NARROW.width - 40;
    });
  });
  await page.setViewportSize(WIDE);
});

test("search and order are in the address, and the back button leads to the page before", async () => {
  await withMany(async () => {
    await page.getByRole("link", { name: "Profile" }).click();
    await page.getByRole("heading", { name: "Profile" }).waitFor();
    await page.getByRole("navigation", { name: "Account settings" }).getByRole("link", { name: "API keys" }).click();
    await page.getByRole("searchbox").pressSequentially("cron");
    await page.getByText("2,000 of 10,000").waitFor();
    await page.getByRole("button", { name: "Name" }).click();
    await page.waitForURL(/q=cron&sort=name$/);
    await page.reload();
    await page.getByText("2,000 of 10,000").waitFor();
    assert.equal(await page.getByRole("columnheader", { name: "Name" }).getAttribute("aria-sort"), "ascending");
    await page.getByRole("searchbox").fill("no such key");
    await page.getByText("Nothing here matches “no such key”.").waitFor();
    await page.getByRole("button", { name: "Clear search" }).click();
    await page.goBack();
    await page.getByRole("heading", { name: "Profile" }).waitFor();
  });
});

test("what is typed in the middle of a search goes there", async () => {
  await withMany(async () => {
    await page.goto(`${keys_page}?q=abc`);
    const field = page.getByRole("searchbox");
    await field.focus();
    await page.keyboard.press("Home");
    await field.pressSequentially("xy");
    await page.waitForURL(/q=xyabc$/);
    assert.equal(await field.inputValue(), "xyabc");
    await page.getByRole("button", { name: "Clear search" }).click();
    await page.waitForURL(keys_page);
    assert.equal(await field.inputValue(), "");
  });
});

test("a slow list shows its own shape, and nothing jumps when it comes", async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route(KEYS, async (route) => {
    await held;
    await route.continue();
  });
  await page.goto(keys_page);
  const table = page.getByRole("table", { name: "API keys" });
  await table.waitFor();
  assert.equal(await table.getAttribute("aria-busy"), "true");
  const before = await table.boundingBox();
  release();
  await page.getByRole("rowheader", { name: "laptop" }).waitFor();
  assert.equal((await table.boundingBox())?.y, before?.y);
  assert.equal(await table.getAttribute("aria-busy"), null);
  await page.unroute(KEYS);
});

for (const name of ["Actions for laptop", /User menu/]) {
  test(`a press on a menu whose code is still on its way opens it when it comes: ${name}`, async () => {
    const slow = await stage.visit({ cookie: ada.cookie });
    await slow.page.route(/menu-parts/, async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 800));
      await route.continue();
    });
    await slow.page.goto(keys_page);
    await slow.page.getByRole("button", { name }).click();
    await slow.page.getByRole("menuitem").first().waitFor();
    await slow.page.keyboard.press("Escape");
    await slow.page.getByRole("menuitem").first().waitFor({ state: "detached" });
    const button = slow.page.getByRole("button", { name });
    await focused(button);
    await slow.context.close();
  });
}

test("a list that fails says so with the request id, and trying again brings it", async () => {
  const request_id = "5c1f9f0e-7e0f-4a51-9f7c-0d7c0b7f2f4e";
  await page.route(KEYS, (route) =>
    route.fulfill({ status: 500, json: { request_id, code: "INTERNAL", message: "internal error" } }),
  );
  await page.goto(keys_page);
  const alert = page.getByRole("alert");
  await alert.getByText("The server failed").waitFor();
  await alert.getByText(request_id).waitFor();
  await page.unroute(KEYS);
  await alert.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("rowheader", { name: "laptop" }).waitFor();
});

test("without a connection a form keeps what was typed and says what to check", async () => {
  await page.goto(keys_page);
  await page.getByRole("button", { name: "Create new API key" }).click();
  await page.getByLabel("Name").fill("offline");
  await visit.context.setOffline(true);
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByText("No connection to the server").waitFor();
  assert.equal(await page.getByLabel("Name").inputValue(), "offline");
  await visit.context.setOffline(false);
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByRole("dialog", { name: "Copy your key now" }).waitFor();
  await page.getByLabel("I have stored it in a safe place").check();
  await page.getByRole("button", { name: "Done" }).click();
});

test("pressing twice while the answer is on its way makes one key", async () => {
  await page.goto(keys_page);
  await page.getByRole("button", { name: "Create new API key" }).click();
  await page.getByLabel("Name").fill("twice");
  await page.route(KEYS, async (route) => {
    // The list that is read anew after it would be held beyond the end of this test.
    if (route.request().method() === "POST") await new Promise((resolve) => setTimeout(resolve, 300));
    await route.continue();
  });
  const made = () => visit.requests.filter((one) => one.method() === "POST" && KEYS.test(one.url())).length;
  const before = made();
  await page.getByRole("button", { name: "Create", exact: true }).dblclick();
  await page.getByRole("dialog", { name: "Copy your key now" }).waitFor();
  assert.equal(made() - before, 1);
  await page.unroute(KEYS);
  await page.getByLabel("I have stored it in a safe place").check();
  await page.getByRole("button", { name: "Done" }).click();
});

test("a lost answer to a revocation ends in a key that is revoked, not in an error", async () => {
  await page.goto(keys_page);
  let lost = 0;
  await page.route(/\/api_keys\/\d+$/, async (route) => {
    if (lost++ > 0) return await route.continue();
    await route.fetch();
    await route.abort("connectionreset");
  });
  await page.getByRole("button", { name: "Actions for twice" }).click();
  await page.getByRole("menuitem", { name: "Revoke…" }).click();
  await page.getByRole("button", { name: "Revoke key" }).click();
  await page.getByText("twice is revoked.").waitFor();
  assert.equal(lost, 2);
  await page.getByRole("rowheader", { name: "twice" }).waitFor({ state: "detached" });
  await page.unroute(/\/api_keys\/\d+$/);
});

test("a session that ends elsewhere leads to signing in, and back", async () => {
  const other = await stage.visit({ cookie: ada.cookie, expected: /status of 401/ });
  const sessions = `${server.url}/account/sessions`;
  const password = { email: ada.email, password: ada.password };
  const answer = await server.call("POST", "/sessions", { body: password });
  await other.page.goto(sessions);
  await other.page.getByText("this one").waitFor();
  await server.expect(200, "DELETE", "/sessions/current", { cookie: ada.cookie });
  await other.page.getByRole("link", { name: "API keys" }).click();
  await other.page.getByRole("heading", { name: "Sign in" }).waitFor();
  await other.page.getByLabel("E-mail").fill(ada.email);
  await other.page.getByLabel("Password", { exact: true }).fill(ada.password);
  await other.page.keyboard.press("Enter");
  await other.page.getByRole("heading", { name: "API keys" }).waitFor();
  assert.equal(answer.status, 201);
  const cookies = await other.context.cookies();
  await visit.context.addCookies(cookies);
});

test("everything is done from the keyboard: skip, palette, menu, dialog, question", async () => {
  await page.goto(`${server.url}/account/profile`);
  await page.getByRole("heading", { name: "Profile" }).waitFor();
  await page.keyboard.press("Tab");
  await focused(page.getByRole("link", { name: "Skip to content" }));
  await page.keyboard.press("Control+k");
  const palette = page.getByRole("combobox", { name: "Search pages and actions" });
  await palette.waitFor();
  await palette.pressSequentially("create new");
  await page.keyboard.press("Enter");
  const form = page.getByRole("dialog", { name: "Create API key" });
  await focused(form.getByLabel("Name"));
  await page.keyboard.type("by keyboard");
  await page.keyboard.press("Enter");
  const shown = page.getByRole("dialog", { name: "Copy your key now" });
  await focused(shown.getByRole("button").filter({ hasText: /^Copy$/ }));
  await page.keyboard.press("Escape");
  await page.getByRole("alertdialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("alertdialog").waitFor({ state: "detached" });
  await focused(shown.getByRole("button").filter({ hasText: /^Copy$/ }));
  await shown.getByLabel("I have stored it in a safe place").focus();
  await page.keyboard.press("Space");
  await shown.getByRole("checkbox", { checked: true }).waitFor();
  await page.keyboard.press("Tab");
  await focused(shown.getByRole("button", { name: "Done" }));
  await page.keyboard.press("Enter");
  await shown.waitFor({ state: "detached" });
  await focused(page.getByRole("button", { name: "Create new API key" }));
  await page.getByRole("button", { name: "Actions for by keyboard" }).focus();
  await page.keyboard.press("Enter");
  await focused(page.getByRole("menuitem", { name: "Revoke…" }));
  await page.keyboard.press("Enter");
  const asked = page.getByRole("alertdialog", { name: "Revoke by keyboard?" });
  await focused(asked.getByRole("button", { name: "Cancel" }));
  await page.keyboard.press("Tab");
  await focused(asked.getByRole("button", { name: "Revoke key" }));
  await page.keyboard.press("Enter");
  await asked.waitFor({ state: "detached" });
  await page.getByRole("rowheader", { name: "by keyboard" }).waitFor({ state: "detached" });
});

test("going from page to page moves the focus to the new heading and the tab's title with it", async () => {
  await page.goto(`${server.url}/account/profile`);
  await page.getByRole("link", { name: "Sessions" }).click();
  await focused(page.getByRole("heading", { name: "Sessions" }));
  await page.waitForFunction(() => document.title === "Sessions · Latchkey");
});

test("the theme that is chosen is there before the first paint of the next visit", async () => {
  await page.getByRole("button", { name: /User menu/ }).click();
  await page.getByRole("menuitemradio", { name: "Dark" }).click();
  await page.reload({ waitUntil: "commit" });
  await page.waitForFunction(() => document.documentElement.dataset.theme === "dark");
  await page.getByRole("heading", { name: "Sessions" }).waitFor();
  const background = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  assert.equal(background, "rgb(16, 18, 20)");
});

test("files with a hash in their name are kept for ever, the page itself is asked for each time", async () => {
  const html = await fetch(`${server.url}/projects/anything`, { headers: { accept: "text/html" } });
  assert.equal(html.headers.get("cache-control"), "no-cache");
  assert.match(html.headers.get("content-security-policy") ?? "", /default-src 'self'.*frame-ancestors 'none'/);
  const asset = /\/assets\/[^"]+\.js/.exec(await html.text())?.[0];
  const script = await fetch(server.url + asset, { headers: { "accept-encoding": "br" } });
  assert.equal(script.headers.get("cache-control"), "public, max-age=31536000, immutable");
  assert.equal(script.headers.get("content-encoding"), "br");
  assert.equal((await fetch(`${server.url}/assets/gone.js`)).status, 404);
  assert.equal((await fetch(`${server.url}/api/nowhere`)).status, 404);
});
