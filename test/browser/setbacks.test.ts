import test, { after } from "node:test";
import type { Page } from "playwright-core";
import { waitFor } from "../harness/server.ts";
import { createOrganization, setupTokenOf, signUp } from "../harness/world.ts";
import { startStage } from "./visit.ts";

/** Answers that fail, or are late, at the moment at which most is lost by it. */
const stage = await startStage({ after }, { LATCHKEY_SIGN_UP: "open" });
const { server } = stage;
const ada = await signUp(server, "Ada", { setup_token: setupTokenOf(server) });
const org_id = await createOrganization(server, ada.key, "Acme");
const { page } = await stage.visit({ cookie: ada.cookie, expected: /status of (404|500)/ });

const FAILED = { status: 500, json: { request_id: "", code: "INTERNAL", message: "internal error" } };
const press = (name: string) => page.getByRole("button", { name, exact: true }).click();

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
