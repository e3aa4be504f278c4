import assert from "node:assert/strict";
import test, { after } from "node:test";
import type { Locator, Page, Route } from "playwright-core";
import { waitFor } from "../harness/server.ts";
import { addMember, createOrganization, setupTokenOf, signIn, signUp } from "../harness/world.ts";
import { unavailable } from "./states.ts";
import { startStage } from "./visit.ts";

/** Answers that fail, or are late, at the moment at which most is lost by it. */
const stage = await startStage({ after }, { LATCHKEY_SIGN_UP: "open" });
const { server } = stage;
const ada = await signUp(server, "Ada", { setup_token: setupTokenOf(server) });
const org_id = await createOrganization(server, ada.key, "Acme");
const { page } = await stage.visit({ cookie: ada.cookie, expected: /status of (404|500)/ });

const FAILED = { status: 500, json: { request_id: "", code: "INTERNAL", message: "internal error" } };
const press = (name: string) => page.getByRole("button", { name, exact: true }).click();

/** Keeps an answer from the page until `release`, so that there is time for what a person does meanwhile. */
async function holdAnswer(method: string, path: RegExp, answer: (route: Route) => Promise<void>) {
  const asked = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  await page.route(path, async (route) => {
    if (route.request().method() !== method) return await route.fallback();
    asked.resolve();
    await released.promise;
    await answer(route);
    answered.resolve();
  });
  return {
    asked: asked.promise,
    release: async () => {
      released.resolve();
      await answered.promise;
      await page.unroute(path);
    },
  };
}

/** Tries each way out of a dialog that must not close now. */
async function tryToLeave(dialog: Locator): Promise<void> {
  await unavailable(dialog.getByRole("button", { name: "Cancel" }));
  await dialog.getByRole("button", { name: "Cancel" }).dispatchEvent("click");
  await page.keyboard.press("Escape");
  await page.mouse.click(5, 400);
}

/** As when a person comes back to the tab: what is older than a moment is asked for anew, and that fails. */
async function failRefetch(on: Page, path: RegExp): Promise<void> {
  let failed = 0;
  await on.route(path, async (route) => {
    await route.fulfill(FAILED);
    failed += 1;
  });
  await waitFor("the question", async () => {
    await on.evaluate(() => window.dispatchEvent(new Event("visibilitychange")));
    return failed > 0;
  });
  // Two frames: what the answer changes in the page has been drawn then.
  await on.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  await on.unroute(path);
}

test("a token stays until it is stored, whatever of its page cannot be read anew", async () => {
  await page.goto(`${server.url}/organizations/${org_id}/settings/api-keys`);
  await press("Create new API key");
  await page.getByLabel("Name").fill("steady");
  await press("Create");
  const token = page.getByRole("dialog", { name: "Copy your key now" }).getByText(/lk_org_\w{49}/);
  await token.waitFor();
  await failRefetch(page, new RegExp(`/organizations/${org_id}$`));
  await token.waitFor({ timeout: 1_000 });
  await page.getByLabel("I have stored it in a safe place").check();
  await press("Done");
  await page.getByRole("rowheader", { name: "steady" }).waitFor();
});

test("what was typed to sign up with stays, although the server's terms cannot be read anew", async () => {
  const { page: form, context } = await stage.visit({ expected: /status of (401|500)/ });
  await form.goto(`${server.url}/sign-up`);
  await form.getByLabel("Name").fill("Grace");
  await failRefetch(form, /\/instance$/);
  await form.getByLabel("Name").waitFor({ timeout: 1_000 });
  await context.close();
});

test("a dialog that makes a secret does not close before it has been made, and shows it then", async () => {
  await page.goto(`${server.url}/account/profile`);
  await page.getByRole("link", { name: "API keys" }).click();
  await press("Create new API key");
  const form = page.getByRole("dialog", { name: "Create API key" });
  await form.getByLabel("Name").fill("patient");
  const key = await holdAnswer("POST", /\/api_keys$/, (route) => route.continue());
  await press("Create");
  await key.asked;
  await tryToLeave(form);
  await form.getByRole("button", { name: "Close" }).click();
  await page.evaluate(() => history.back());
  await key.release();
  await page
    .getByRole("dialog", { name: "Copy your key now" })
    .getByText(/lk_user_\w{49}/)
    .waitFor();
  await page.getByLabel("I have stored it in a safe place").check();
  await press("Done");

  await page.goto(`${server.url}/organizations/${org_id}/members`);
  await press("Invite a person");
  const invite = page.getByRole("dialog", { name: "Invite a person" });
  await invite.getByLabel("E-mail").fill("grace@example.com");
  const link = await holdAnswer("POST", /\/invitations$/, (route) => route.continue());
  await press("Invite");
  await link.asked;
  await tryToLeave(invite);
  await link.release();
  await page
    .getByRole("dialog", { name: "Pass this link on" })
    .getByText(/lk_invitation_/)
    .waitFor();
  await press("Done");
});

test("a dialog that could not make a secret closes again", async () => {
  await page.goto(`${server.url}/account/api-keys`);
  await press("Create new API key");
  const form = page.getByRole("dialog", { name: "Create API key" });
  await form.getByLabel("Name").fill("refused");
  const key = await holdAnswer("POST", /\/api_keys$/, (route) => route.fulfill(FAILED));
  await press("Create");
  await key.asked;
  await key.release();
  await form.getByText("The server failed").waitFor();
  await page.keyboard.press("Escape");
  await form.waitFor({ state: "detached" });
});

const KEY = /\/api_keys\/\d+$/;

async function askToRevoke(name: string): Promise<Locator> {
  await page.getByRole("button", { name: `Actions for ${name}`, exact: true }).click();
  await page.getByRole("menuitem", { name: "Revoke…" }).click();
  return page.getByRole("alertdialog", { name: `Revoke ${name}?` });
}

test("a question waits for its answer, and a failure is told where it was asked, not under the next", async () => {
  for (const key_name of ["first", "second"]) {
    await server.expect(200, "POST", "/api_keys", { key: ada.key, body: { key_name } });
  }
  await page.goto(`${server.url}/account/api-keys`);
  const first = await askToRevoke("first");
  const revocation = await holdAnswer("DELETE", KEY, (route) => route.fulfill(FAILED));
  await press("Revoke key");
  await revocation.asked;
  await tryToLeave(first);
  await revocation.release();
  await first.getByRole("alert").getByText("The server failed").waitFor();
  await page.keyboard.press("Escape");
  await first.waitFor({ state: "detached" });
  const second = await askToRevoke("second");
  await second.waitFor();
  assert.equal(await second.getByRole("alert").count(), 0);
  await press("Cancel");
});

for (const [kind, list, path] of [
  ["personal", "/api_keys", "/account/api-keys"],
  ["organization", `/organizations/${org_id}/api_keys`, `/organizations/${org_id}/settings/api-keys`],
] as const) {
  test(`a ${kind} key that somebody else has revoked leaves the list`, async () => {
    const name = `gone-${kind}`;
    const body = { key_name: name };
    const { id } = await server.expect<{ id: number }>(200, "POST", list, { key: ada.key, body });
    await page.goto(server.url + path);
    await askToRevoke(name);
    await server.expect(200, "DELETE", `${list}/${id}`, { key: ada.key });
    await press("Revoke key");
    await page.getByText(`${name} is revoked.`).waitFor();
    await page.getByRole("rowheader", { name }).waitFor({ state: "detached" });
  });
}

test("whoever leaves an organization comes to another one of theirs", async () => {
  const { person } = await addMember(server, ada.key, org_id, "Grace");
  // Who signs up has an organization of their own.
  const { page: hers, context } = await stage.visit({ cookie: person.cookie, expected: /status of (403|404)/ });
  await hers.goto(`${server.url}/organizations/${org_id}/members`);
  await hers.getByRole("button", { name: "Actions for Grace" }).click();
  await hers.getByRole("menuitem", { name: "Leave…" }).click();
  await hers.getByRole("button", { name: "Leave organization" }).click();
  await hers.getByRole("heading", { level: 1, name: "Projects" }).waitFor();
  await hers.getByRole("button", { name: "Switch organization, now Grace" }).waitFor();
  await context.close();
});

test("where the browser keeps the clipboard shut, the page says so to the eye", async () => {
  await page.goto(`${server.url}/account/profile`);
  await page.evaluate(() => {
    navigator.clipboard.writeText = () => Promise.reject(new DOMException("shut", "NotAllowedError"));
  });
  await press("Copy person id");
  const said = page.getByText("Select and copy by hand");
  await said.waitFor();
  // What only screen readers are told is a pixel wide.
  assert.ok(((await said.boundingBox())?.width ?? 0) > 50);
});

test("whoever is no admin any more, by their own doing, is offered no more than a member", async () => {
  const second_org_id = await createOrganization(server, ada.key, "Second");
  const { person, member_id } = await addMember(server, ada.key, second_org_id, "Grace");
  const body = { role: "admin" };
  await server.expect(200, "PATCH", `/organizations/${second_org_id}/members/${member_id}`, { key: ada.key, body });
  const { page: hers, context } = await stage.visit({ cookie: person.cookie, expected: /status of 403/ });
  await hers.goto(`${server.url}/organizations/${second_org_id}/members`);
  await hers.getByText("Nobody is invited right now.").waitFor();
  await hers.getByRole("button", { name: "Actions for Grace" }).click();
  await hers.getByRole("menuitem", { name: "Change member role…" }).click();
  await hers.getByLabel("Member", { exact: true }).check();
  await hers.getByRole("button", { name: "Change member role" }).click();
  await unavailable(hers.getByRole("button", { name: "Invite a person" }));
  await context.close();
});

test("a name without a break stays inside its dialog", async () => {
  const key_name = "n".repeat(64);
  await server.expect(200, "POST", "/api_keys", { key: ada.key, body: { key_name } });
  await page.goto(`${server.url}/account/api-keys`);
  const asked = await askToRevoke(key_name);
  const title = asked.getByRole("heading", { name: `Revoke ${key_name}?` });
  await title.waitFor();
  assert.equal(await title.evaluate((one) => one.scrollWidth > one.clientWidth), false);
});

for (const [what, act] of [
  ["signing out", (from: Page) => chooseSignOut(from)],
  ["a change", (from: Page) => changePassword(from)],
] as const) {
  test(`${what} after the session has ended leads to signing in`, async () => {
    const cookie = await signIn(server, ada);
    const { page: from, context } = await stage.visit({ cookie, expected: /status of 401/ });
    await from.goto(`${server.url}/account/profile`);
    await from.getByRole("heading", { name: "Profile" }).waitFor();
    await server.expect(200, "DELETE", "/sessions/current", { cookie });
    await act(from);
    await from.getByRole("heading", { name: "Sign in" }).waitFor();
    await context.close();
  });
}

async function chooseSignOut(from: Page): Promise<void> {
  await from.getByRole("button", { name: /User menu/ }).click();
  await from.getByRole("menuitem", { name: "Sign out" }).click();
}

async function changePassword(from: Page): Promise<void> {
  await from.getByLabel("Current password", { exact: true }).fill(ada.password);
  await from.getByLabel("New password", { exact: true }).fill("another long password");
  await from.getByRole("button", { name: "Change password" }).click();
}
