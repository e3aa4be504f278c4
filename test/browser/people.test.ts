import assert from "node:assert/strict";
import test, { after } from "node:test";
import type { Page } from "playwright-core";
import { setupTokenOf, signIn, signUp } from "../harness/world.ts";
import { startStage, type Visit } from "./visit.ts";

/** How people come in and go: sign-up where it is open and where it is closed, and every way of signing out. */
const open = await startStage({ after }, { LATCHKEY_SIGN_UP: "open" });
const closed = await startStage({ after }, { LATCHKEY_SIGN_UP: "closed" });
const ada = await signUp(open.server, "Ada", { setup_token: setupTokenOf(open.server) }, "ada@example.com");
await signUp(closed.server, "Ada", { setup_token: setupTokenOf(closed.server) });
/** The browser reports refusals: of asking who is signed in when nobody is, and of an e-mail that is taken. */
const REFUSED = /status of (401|403|409)/;

const heading = (page: Page, name: string) => page.getByRole("heading", { level: 1, name, exact: true });
const asAda = async (): Promise<Visit> =>
  await open.visit({ cookie: await signIn(open.server, ada), expected: REFUSED });
const cookieOf = async ({ context }: Visit) =>
  (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");

test("where sign-up is open, the form makes an account, and leads to the page that was asked for", async () => {
  const { page, context } = await open.visit({ expected: REFUSED });
  await page.goto(`${open.server.url}/account/sessions`);
  await heading(page, "Sign in").waitFor();
  await page.getByRole("link", { name: "Sign up" }).click();
  await heading(page, "Sign up").waitFor();
  await page.getByLabel("Name").fill("Grace Hopper");
  await page.getByLabel("E-mail").fill("ada@example.com");
  await page.getByLabel("Password", { exact: true }).fill("a long enough password");
  await page.getByRole("button", { name: "Create account" }).click();
  await page.getByText("There is an account with this e-mail already. Sign in instead.").waitFor();
  await page.getByLabel("E-mail").fill("grace@example.com");
  await page.getByRole("button", { name: "Create account" }).click();
  await heading(page, "Sessions").waitFor();
  await page.getByText("this one").waitFor();
  await page.getByRole("button", { name: "User menu of Grace Hopper" }).waitFor();
  await context.close();
});

test("where sign-up is closed, no page offers it, its own page says so, and the server refuses it", async () => {
  const { page, context } = await closed.visit({ expected: REFUSED });
  await page.goto(`${closed.server.url}/sign-in`);
  await heading(page, "Sign in").waitFor();
  await page.waitForLoadState("networkidle");
  assert.equal(await page.getByRole("link", { name: "Sign up" }).count(), 0);
  await page.goto(`${closed.server.url}/sign-up`);
  await page.getByText("Sign-up is closed on this server. Ask whoever runs it for an account.").waitFor();
  assert.equal(await page.getByRole("button", { name: "Create account" }).count(), 0);
  const body = { email: "eve@example.com", password: "a long enough password", name: "Eve" };
  assert.equal((await closed.server.call("POST", "/users", { body })).status, 403);
  await context.close();
});

test("whoever is signed in is led past the pages for signing in and up, to where they wanted", async () => {
  const { page, context } = await asAda();
  for (const path of ["/sign-in", "/sign-up"]) {
    await page.goto(`${open.server.url}${path}`);
    await heading(page, "Projects").waitFor();
    await page.goto(`${open.server.url}${path}?next=${encodeURIComponent("/account/api-keys?q=deploy")}`);
    await heading(page, "API keys").waitFor();
    assert.equal(await page.getByRole("searchbox").inputValue(), "deploy");
    // Only to a page of this server.
    await page.goto(`${open.server.url}${path}?next=${encodeURIComponent("//evil.example/")}`);
    await heading(page, "Projects").waitFor();
  }
  await context.close();
});

test("the session one is in is signed out from the list", async () => {
  const visit = await asAda();
  const { page, context } = visit;
  await page.goto(`${open.server.url}/account/sessions`);
  const cookie = await cookieOf(visit);
  const row = page.getByRole("row").filter({ hasText: "this one" });
  await row.getByRole("button", { name: /Actions for/ }).click();
  await page.getByRole("menuitem", { name: "Sign out…" }).click();
  const asked = page.getByRole("alertdialog", { name: "Sign out here?" });
  await asked.getByRole("button", { name: "Sign out" }).click();
  await heading(page, "Sign in").waitFor();
  assert.equal((await open.server.call("GET", "/users/me", { cookie })).status, 401);
  await page.goto(`${open.server.url}/account/profile`);
  await heading(page, "Sign in").waitFor();
  await context.close();
});

test("signing out everywhere ends every session, and no key", async () => {
  const elsewhere = await signIn(open.server, ada);
  const visit = await asAda();
  const { page, context } = visit;
  await page.goto(`${open.server.url}/account/sessions`);
  const cookie = await cookieOf(visit);
  await page.getByRole("button", { name: "Sign out everywhere" }).click();
  const asked = page.getByRole("alertdialog", { name: "Sign out everywhere?" });
  await asked.getByText("All your sessions end, this one included. Your API keys go on working.").waitFor();
  await asked.getByRole("button", { name: "Sign out everywhere" }).click();
  await heading(page, "Sign in").waitFor();
  for (const ended of [cookie, elsewhere, ada.cookie]) {
    assert.equal((await open.server.call("GET", "/users/me", { cookie: ended })).status, 401);
  }
  assert.equal((await open.server.call("GET", "/users/me", { key: ada.key })).status, 200);
  await context.close();
});
