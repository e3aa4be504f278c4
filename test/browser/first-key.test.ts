import assert from "node:assert/strict";
import test, { after } from "node:test";
import { setupTokenOf } from "../harness/world.ts";
import { copiedBy } from "./clipboard.ts";
import { heapHolds, placesThatHold, trafficThatHolds } from "./secrets-in-page.ts";
import { focused, unavailable } from "./states.ts";
import { startStage } from "./visit.ts";

/** The newcomer's path, from the link that a new server prints to a key in the clipboard; and what is left of it. */
const stage = await startStage({ after });
const { page, requests } = await stage.visit({
  permissions: ["clipboard-read", "clipboard-write"],
  // The browser reports refusals: of asking who is signed in when nobody is, and of a name that is taken.
  expected: /status of (401|409)/,
});
let token = "";

test("a new server leads everybody to its set-up, and tells how to begin", async () => {
  await page.goto(`${stage.server.url}/`);
  await page.getByRole("heading", { name: "Set up Latchkey" }).waitFor();
  await page
    .getByRole("main")
    .getByText(/Open the set-up link that the server printed/)
    .waitFor();
});

test("five clicks and two forms lead from the set-up link to a copied key that works", async () => {
  let clicks = 0;
  const press = async (name: string, role: "button" | "link" = "button") => {
    clicks += 1;
    await page.getByRole(role, { name, exact: true }).click();
  };
  const setup_token = setupTokenOf(stage.server);
  await page.goto(`${stage.server.url}/setup#${setup_token}`);
  await page.getByLabel("Name").fill("Ada Lovelace");
  await page.getByLabel("E-mail").fill("ada@example.com");
  await page.getByLabel("Password", { exact: true }).fill("correct horse battery staple");
  assert.equal(new URL(page.url()).hash, "", "the set-up token is out of the address at once");
  await press("Create account");
  await press("Create API key", "link");
  await page.getByRole("dialog", { name: "Create API key" }).getByLabel("Name").fill("ci-deploy");
  await press("Create");
  await page.getByRole("dialog", { name: "Copy your key now" }).waitFor();
  // It is said for two seconds alone.
  const said = page.getByRole("status").filter({ hasText: "Copied" }).first().waitFor();
  await press("Copy token");
  await said;
  token = await page.evaluate(() => navigator.clipboard.readText());

  assert.ok(clicks <= 5, `${clicks} clicks`);
  assert.match(token, /^lk_user_\w{49}$/);
  assert.deepEqual(await placesThatHold(page, setup_token), []);
  assert.equal((await stage.server.call("GET", "/users/me", { key: token })).status, 200);
});

test("the export line is copied whole", async () => {
  const copied = await copiedBy(page.getByRole("button", { name: "Copy export line" }));
  assert.equal(copied, `export NEON_API_KEY=${token}`);
});

test("leaving without saying that the key is stored is asked about, whichever way", async () => {
  const shown = page.getByRole("dialog", { name: "Copy your key now" });
  const asked = page.getByRole("alertdialog", { name: "Leave without storing the key?" });
  const back = page.getByRole("button", { name: "Back to the key" });
  await unavailable(page.getByRole("button", { name: "Done" }));
  const ways: (() => Promise<unknown>)[] = [
    () => page.keyboard.press("Escape"),
    () => shown.getByRole("button", { name: "Close" }).click(),
    () => page.mouse.click(5, 400),
    () => page.evaluate(() => window.history.back()),
  ];
  for (const leave of ways) {
    await leave();
    await asked.waitFor();
    await back.click();
    await asked.waitFor({ state: "hidden" });
    await shown.getByText(token, { exact: true }).waitFor();
  }
  const closing = page.waitForEvent("dialog");
  const reload = page.reload({ timeout: 2_000 }).catch(() => undefined);
  const dialog = await closing;
  assert.equal(dialog.type(), "beforeunload");
  await dialog.dismiss();
  await reload;
  await shown.getByText(token, { exact: true }).waitFor();
});

test("once it is put away, the token is nowhere in the browser", async () => {
  // Both ways of looking do find it while it is shown; else they would prove nothing.
  assert.deepEqual(await placesThatHold(page, token), ["document"]);
  assert.equal(await heapHolds(page, token), true);
  const later = requests.length;
  await page.evaluate(() => navigator.clipboard.writeText("something else"));
  await page.getByLabel("I have stored it in a safe place").check();
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("dialog", { name: "Copy your key now" }).waitFor({ state: "detached" });
  const row = page.getByRole("row").filter({ hasText: "ci-deploy" });
  await row.filter({ hasText: `…${token.slice(-10, -6)}` }).waitFor();

  assert.deepEqual(await placesThatHold(page, token), []);
  // Go on as a person would, so that what was kept for a next time shows itself.
  await page.getByRole("link", { name: "Sessions" }).click();
  await page.getByRole("heading", { name: "Sessions" }).waitFor();
  await page.goBack();
  await row.waitFor();
  assert.deepEqual(await placesThatHold(page, token), []);
  assert.equal(await heapHolds(page, token), false, "the memory of the page holds the token");
  await page.reload();
  await row.waitFor();
  assert.deepEqual(await placesThatHold(page, token), []);

  assert.deepEqual(await trafficThatHolds(requests.slice(later), token), []);
  assert.ok(!stage.server.output.includes(token), "the server's log holds the token");
});

test("a page that is frozen for the back button has let go of the token before", async () => {
  await page.getByRole("button", { name: "Create new API key" }).click();
  await page.getByLabel("Name").fill("frozen");
  await page.getByRole("button", { name: "Create", exact: true }).click();
  const shown = page.getByRole("dialog", { name: "Copy your key now" });
  await shown.waitFor();
  const frozen = /lk_user_\w{49}/.exec((await shown.textContent()) ?? "")?.[0] ?? "";
  assert.notEqual(frozen, "");
  const left = await page.evaluate(() => {
    window.dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }));
    return document.documentElement.outerHTML;
  });
  assert.ok(!left.includes(frozen));
  page.once("dialog", (dialog) => void dialog.accept());
  await page.goto(`${stage.server.url}/docs`);
  await page.goBack();
  await page.getByRole("row").filter({ hasText: "frozen" }).waitFor();
  assert.deepEqual(await placesThatHold(page, frozen), []);
});

test("revoking says what stops and when the key was last used, and stops it at once", async () => {
  await page
    .getByRole("row")
    .filter({ hasText: "ci-deploy" })
    .getByRole("cell", { name: /ago|just now/ })
    .first()
    .waitFor();
  await page.getByRole("button", { name: "Actions for ci-deploy" }).click();
  await page.getByRole("menuitem", { name: "Revoke…" }).click();
  const asked = page.getByRole("alertdialog", { name: "Revoke ci-deploy?" });
  for (const words of [
    /Requests that use it fail with 401 from this moment/,
    /It was last used .* from 127\.0\.0\.1/,
    /cannot be undone/,
  ]) {
    await asked.filter({ hasText: words }).waitFor();
  }
  await asked.getByRole("button", { name: "Revoke key" }).click();
  await asked.waitFor({ state: "detached" });
  assert.equal((await stage.server.call("GET", "/users/me", { key: token })).status, 401);
  await page.getByRole("row").filter({ hasText: "ci-deploy" }).waitFor({ state: "detached" });
});

test("a name that is taken is said beside its field, which has the focus", async () => {
  await page.getByRole("button", { name: "Create new API key" }).click();
  const name = page.getByRole("dialog").getByLabel("Name");
  await name.fill("frozen");
  await page.keyboard.press("Enter");
  await page.getByText("That name is taken by another live key. Choose another, or revoke the old one.").waitFor();
  await focused(name);
  assert.equal(await name.getAttribute("aria-invalid"), "true");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog", { name: "Create API key" }).waitFor({ state: "detached" });
  // It returns to what opened the dialog.
  await focused(page.getByRole("button", { name: "Create new API key" }));
});

test("signing out leaves nothing behind the back button, and signing in leads back", async () => {
  await page.getByRole("button", { name: /User menu/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.goto(`${stage.server.url}/account/sessions`);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.getByLabel("E-mail").fill("ada@example.com");
  await page.getByLabel("Password", { exact: true }).fill("wrong horse");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("E-mail or password is wrong.").waitFor();
  await page.getByLabel("Password", { exact: true }).fill("correct horse battery staple");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Sessions" }).waitFor();
  await page.getByText("this one").waitFor();
});
