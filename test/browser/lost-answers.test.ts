import assert from "node:assert/strict";
import test, { after } from "node:test";
import type { Page } from "playwright-core";
import { buildSite } from "./site.ts";
import { startStage } from "./visit.ts";

/** What is made although its answer is lost on the way: the person is told that it may exist, and finds it. */
const stage = await startStage({ after }, { LATCHKEY_SIGN_UP: "open" });
const { server } = stage;
const site = await buildSite(server);
const { page } = await stage.visit({ cookie: site.admin.cookie, expected: /ERR_CONNECTION|status of 409/ });

/** Lets the server do what is asked, and keeps its answer from the page. */
async function loseAnswer(path: RegExp, act: () => Promise<unknown>): Promise<void> {
  let lost = 0;
  await page.route(path, async (route) => {
    if (route.request().method() !== "POST") return await route.fallback();
    const answer = await route.fetch();
    assert.ok(answer.ok(), await answer.text());
    lost += 1;
    await route.abort("connectionreset");
  });
  await act();
  await page.getByRole("alert").getByText("No connection to the server").waitFor();
  await page.unroute(path);
  assert.equal(lost, 1, "it was asked for once");
}

const press = (name: string) => page.getByRole("button", { name, exact: true }).click();
const listed = (name: string) => page.getByRole("rowheader", { name, includeHidden: true }).waitFor();

async function revoke(name: string, from: Page = page): Promise<void> {
  await from.getByRole("button", { name: `Actions for ${name}` }).click();
  await from.getByRole("menuitem", { name: "Revoke…" }).click();
  await from.getByRole("button", { name: "Revoke key" }).click();
  await from.getByRole("rowheader", { name }).waitFor({ state: "detached" });
}

for (const [kind, path] of [
  ["personal", "/account/api-keys"],
  ["organization", `/organizations/${site.org_id}/settings/api-keys`],
] as const) {
  test(`a ${kind} key whose answer is lost is told to be revoked, and is in the list for that`, async () => {
    await page.goto(server.url + path);
    await press("Create new API key");
    await page.getByLabel("Name").fill("lost");
    await loseAnswer(/\/api_keys$/, () => press("Create"));
    await page.getByRole("alert").getByText("revoke it, because its token was never shown").waitFor();
    await listed("lost");
    await press("Create");
    await page.getByText("That name is taken by another live key.").waitFor();
    await press("Cancel");
    await revoke("lost");
    await press("Create new API key");
    await page.getByLabel("Name").fill("lost");
    await press("Create");
    await page.getByLabel("I have stored it in a safe place").check();
    await press("Done");
  });
}

test("an invitation whose answer is lost is made again, in place of the first", async () => {
  await page.goto(`${server.url}/organizations/${site.org_id}/members`);
  await press("Invite a person");
  await page.getByLabel("E-mail").fill("lost@example.com");
  await loseAnswer(/\/invitations$/, () => press("Invite"));
  await page.getByRole("alert").getByText("Invite the same e-mail again").waitFor();
  await press("Invite");
  await page.getByRole("dialog", { name: "Pass this link on" }).waitFor();
  await press("Done");
  await page.getByRole("table", { name: "Open invitations" }).waitFor();
  assert.equal(await page.getByRole("row").filter({ hasText: "lost@example.com" }).count(), 1);
});

test("a branch whose answer is lost is told to be looked for, and is in the list", async () => {
  await page.goto(`${server.url}/projects/${site.project_id}/branches`);
  await press("Create branch");
  const form = page.getByRole("dialog", { name: "Create branch" });
  await form.getByLabel("Name").fill("lost");
  await loseAnswer(/\/branches$/, () => form.getByRole("button", { name: "Create branch" }).click());
  await form.getByRole("alert").getByText("Look for its name in the list of branches").waitFor();
  await listed("lost");
});

test("a project whose answer is lost is told to be looked for before a second one is made", async () => {
  await page.goto(`${server.url}/organizations/${site.org_id}/projects/new`);
  await page.getByLabel("Name").fill("lost project");
  await loseAnswer(/\/projects$/, () => press("Create project"));
  await page.getByRole("alert").getByText("that would make a second one of this name").waitFor();
  await page.getByRole("navigation").getByRole("link", { name: "Projects", exact: true }).click();
  await page.getByRole("rowheader", { name: "lost project" }).waitFor();
  assert.equal(await page.getByRole("rowheader", { name: "lost project" }).count(), 1);
});
