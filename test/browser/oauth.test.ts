import assert from "node:assert/strict";
import test, { after } from "node:test";
import type { Page } from "playwright-core";
import { authorizationQuery, beginDevice, logIn, newVerifier, REDIRECT } from "../harness/oauth.ts";
import { waitFor } from "../harness/server.ts";
import { setupTokenOf, signIn, signUp } from "../harness/world.ts";
import { overflow, violationsInBothThemes } from "./axe.ts";
import { NARROW, startStage, WIDE } from "./visit.ts";

/** The pages on which a person lets a command line in, and the page that lists those that are in. */
const stage = await startStage({ after } as never);
const { server } = stage;
const person = await signUp(server, "Ada", { setup_token: setupTokenOf(server) });
const { page } = await stage.visit({ cookie: await signIn(server, person), expected: /status of (400|401|403|404)/ });

const heading = (name: string) => page.getByRole("heading", { level: 1, name, exact: true });

/** Whoever comes by keyboard, screen reader or telephone can use the page, in both themes. */
async function usable(at: Page): Promise<void> {
  assert.deepEqual(await violationsInBothThemes(at), []);
  await at.setViewportSize(NARROW);
  const overflow_px = await overflow(at);
  assert.ok(overflow_px <= 0, `${overflow_px} px too wide`);
  await at.setViewportSize(WIDE);
}

test("a request that is not good is refused in words of ours, whatever its address says", async () => {
  await page.goto(
    `${server.url}/oauth2/authorize?${authorizationQuery(newVerifier().challenge, { redirect_uri: "https://evil.example/" })}`,
  );
  await heading("This sign-in cannot go on").waitFor();
  await page
    .getByRole("main")
    .getByText(/at an address that is not its own/)
    .waitFor();
  await usable(page);
  for (const path of [
    "/oauth/refused?reason=<b>click</b>",
    "/oauth/refused?reason=__proto__",
    "/oauth/consent",
    "/oauth/consent?request=e30",
  ]) {
    await page.goto(server.url + path);
    await heading("This sign-in cannot go on").waitFor();
    assert.ok(!(await page.content()).includes("click"));
  }
});

test("the page for consent can be used by everybody, and says who asks for what", async () => {
  await page.goto(`${server.url}/oauth2/authorize?${authorizationQuery(newVerifier().challenge)}`);
  await heading("Let Neon CLI in?").waitFor();
  await page.getByRole("main").getByText(new URL(REDIRECT).host).waitFor();
  await usable(page);
  await page.getByRole("button", { name: "Refuse" }).click();
  await heading("Nothing was let in").waitFor();
});

test("the pages for a machine's code can be used by everybody", async () => {
  const { verification_uri_complete, user_code } = await beginDevice(server, { device_name: "build-7" });
  await page.goto(verification_uri_complete);
  await waitFor("the code in its field", async () => (await page.getByLabel("Code").inputValue()) === user_code);
  await usable(page);
  await page.getByRole("button", { name: "Go on" }).click();
  await heading("Let Latchkey CLI in?").waitFor();
  await page.getByRole("main").getByText("build-7").waitFor();
  await usable(page);
  await page.getByRole("button", { name: "Refuse" }).click();
  await heading("Nothing was let in").waitFor();
});

test("a command line is listed, and signed out from there", async () => {
  const cookie = await signIn(server, person);
  const { access_token } = await logIn(server, cookie);
  await page.goto(`${server.url}/account/command-lines`);
  const row = page.getByRole("row").filter({ hasText: "Neon CLI on 127.0.0.1" });
  await row.waitFor();
  await row.getByRole("button").last().click();
  await page.getByRole("menuitem", { name: "Sign out…" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Sign out" }).click();
  await page.getByText("The command line is signed out.").first().waitFor();
  await page.getByText("No command line is signed in.").waitFor();
  assert.equal((await server.call("GET", "/users/me", { key: access_token })).status, 401);
});

test("a password is changed, and the tab that changed it stays signed in", async () => {
  const elsewhere = await signIn(server, person);
  await page.goto(`${server.url}/account/profile`);
  await page.getByLabel("Current password", { exact: true }).fill("wrong wrong");
  await page.getByLabel("New password", { exact: true }).fill("correct horse battery");
  await page.getByRole("button", { name: "Change password" }).click();
  await page.getByText("This is not your current password.").waitFor();
  await page.getByLabel("Current password", { exact: true }).fill(person.password);
  await page.getByRole("button", { name: "Change password" }).click();
  await page.getByText("Your password is changed.").first().waitFor();
  const next = page.getByLabel("New password", { exact: true });
  await waitFor("the field to be empty", async () => (await next.inputValue()) === "");
  assert.equal((await server.call("GET", "/users/me", { cookie: elsewhere })).status, 401);
  await page.reload();
  await page.getByRole("heading", { name: "Profile" }).waitFor();
});

test("whoever is signed in as somebody else can change that, and comes back to the same request", async () => {
  await page.goto(
    `${server.url}/oauth2/authorize?${authorizationQuery(newVerifier().challenge, { state: "12345678901234567890" })}`,
  );
  await heading("Let Neon CLI in?").waitFor();
  const { search } = new URL(page.url());
  await page.getByRole("button", { name: "Sign in as somebody else" }).click();
  await page.getByLabel("E-mail").fill(person.email);
  await page.getByLabel("Password", { exact: true }).fill("correct horse battery");
  await page.getByRole("button", { name: "Sign in" }).click();
  await heading("Let Neon CLI in?").waitFor();
  assert.equal(new URL(page.url()).search, search);
});
