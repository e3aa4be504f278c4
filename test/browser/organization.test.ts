import assert from "node:assert/strict";
import test, { after } from "node:test";
import type { Page } from "playwright-core";
import { setupTokenOf, signUp } from "../harness/world.ts";
import { unavailable } from "./states.ts";
import { startStage } from "./visit.ts";

/** People and keys of an organization, from its making to the last member's leaving. */
const stage = await startStage({ after }, { LATCHKEY_SIGN_UP: "invitation" });
const { server } = stage;
const ada = await signUp(server, "Ada", { setup_token: setupTokenOf(server) }, "ada@example.com");
const admin = await stage.visit({ cookie: ada.cookie, expected: /status of (409|422)/ });
const mary = await stage.visit({ expected: /status of (401|403|404)/ });
let org_id = "";
let link = "";
let member_key = "";

const at = (path: string) => `${server.url}${path}`;
const heading = (page: Page, name: string) => page.getByRole("heading", { level: 1, name, exact: true });

async function chooseAction(page: Page, row: string, action: string): Promise<void> {
  await page.getByRole("button", { name: `Actions for ${row}` }).click();
  await page.getByRole("menuitem", { name: action }).click();
}

/** Presses the button that says the verb, and waits until what it does is done. */
async function confirm(page: Page, verb: string): Promise<void> {
  const asked = page.getByRole("alertdialog");
  await asked.getByRole("button", { name: verb }).click();
  await asked.waitFor({ state: "detached" });
}

test("an organization is created from the switcher, and renamed in its settings", async () => {
  const { page } = admin;
  await page.goto(at("/"));
  await page.getByRole("button", { name: /Switch organization/ }).click();
  await page.getByRole("menuitem", { name: "Create organization" }).click();
  await page.getByLabel("Name").fill("Acme Ltd");
  await page.getByRole("button", { name: "Create organization" }).click();
  await heading(page, "Projects").waitFor();
  org_id = /organizations\/([^/]+)\//.exec(page.url())?.[1] ?? "";
  await page.getByRole("link", { name: "Settings" }).click();
  await page.getByLabel("Name").fill("Acme");
  await page.getByRole("button", { name: "Rename" }).click();
  await page.getByRole("button", { name: "Switch organization, now Acme" }).waitFor();
});

test("an invitation's link is shown once, and lets exactly that person in", async () => {
  const { page } = admin;
  await page.getByRole("link", { name: "Members" }).click();
  await page.getByRole("button", { name: "Invite a person" }).click();
  await page.getByLabel("E-mail").fill("mary@example.com");
  await page.getByRole("button", { name: "Invite", exact: true }).click();
  const shown = page.getByRole("dialog", { name: "Pass this link on" });
  link = (await shown.locator("code").textContent()) ?? "";
  assert.match(link, /\/invitations\/accept#\S+$/);
  await shown.getByRole("button", { name: "Done" }).click();
  await shown.waitFor({ state: "detached" });
  await page.getByRole("table", { name: "Open invitations" }).getByText("mary@example.com").waitFor();
  assert.ok(!(await page.content()).includes(link.split("#")[1] ?? "-"), "the link is out of the page");

  const invited = mary.page;
  await invited.goto(link);
  const begin = invited.getByRole("link", { name: "Create an account" });
  await begin.waitFor();
  assert.equal(new URL(invited.url()).hash, "", "the token is out of the address");
  await begin.click();
  await invited.getByLabel("Name").fill("Mary");
  await invited.getByLabel("E-mail").fill("eve@example.com");
  await invited.getByLabel("Password", { exact: true }).fill("a long enough password");
  await invited.getByRole("button", { name: "Create account" }).click();
  await invited.getByText("This invitation was sent to another e-mail").waitFor();
  await invited.getByLabel("E-mail").fill("mary@example.com");
  await invited.getByRole("button", { name: "Create account" }).click();
  await heading(invited, "Projects").waitFor();
  await invited.goto(link);
  await invited.getByRole("button", { name: "Join the organization" }).click();
  await invited.getByText("This invitation is no longer open").waitFor();
});

test("a member sees the people, and why they may not manage them or the organization's keys", async () => {
  const { page } = mary;
  await page.goto(at(`/organizations/${org_id}/members`));
  const invite = page.getByRole("button", { name: "Invite a person" });
  await page.getByRole("rowheader", { name: "Ada" }).waitFor();
  await unavailable(invite, /Not allowed for your member role/);
  await page.goto(at(`/organizations/${org_id}/settings/api-keys`));
  await page.getByText("Only admins see and make the keys of an organization").waitFor();
  await page.goto(at(`/organizations/${org_id}/settings`));
  await page.getByLabel("Name").fill("Mine now");
  await page.getByRole("button", { name: "Rename" }).click();
  await page.getByText("Not allowed for your member role; ask an admin of the organization.").waitFor();
});

test("somebody with an account accepts an invitation after signing in", async () => {
  const { page } = admin;
  const grace = await stage.visit({ expected: /status of 401/ });
  await page.getByRole("button", { name: "Invite a person" }).click();
  await page.getByLabel("E-mail").fill("mary@example.com");
  await page.getByRole("button", { name: "Invite", exact: true }).click();
  await page.getByText("mary@example.com is a member of this organization already.").waitFor();
  await page.keyboard.press("Escape");
  // Mary makes an organization of her own and invites Ada to it.
  await mary.page.goto(at("/organizations/new"));
  await mary.page.getByLabel("Name").fill("Shelley");
  await mary.page.getByRole("button", { name: "Create organization" }).click();
  await heading(mary.page, "Projects").waitFor();
  await mary.page.getByRole("link", { name: "Members" }).click();
  await mary.page.getByRole("button", { name: "Invite a person" }).click();
  await mary.page.getByLabel("E-mail").fill("ada@example.com");
  await mary.page.getByLabel("Admin", { exact: true }).check();
  await mary.page.getByRole("button", { name: "Invite", exact: true }).click();
  const invitation = (await mary.page.getByRole("dialog").locator("code").textContent()) ?? "";

  await grace.page.goto(invitation);
  await grace.page.getByRole("link", { name: "Sign in" }).click();
  await grace.page.getByLabel("E-mail").fill("ada@example.com");
  await grace.page.getByLabel("Password", { exact: true }).fill(ada.password);
  await grace.page.getByRole("button", { name: "Sign in" }).click();
  await grace.page.getByText("ada@example.com").waitFor();
  await grace.page.getByRole("button", { name: "Join the organization" }).click();
  await grace.page.getByRole("button", { name: "Switch organization, now Shelley" }).waitFor();
});

test("organization and project-scoped keys are made by an admin, told apart, and revoked", async () => {
  const { page } = admin;
  const project = await server.expect<{ project: { id: string } }>(201, "POST", "/projects", {
    key: ada.key,
    body: { project: { name: "storefront", org_id } },
  });
  await page.goto(at(`/organizations/${org_id}/settings/api-keys`));
  const keys: string[] = [];
  for (const reach of ["organization", "project"]) {
    await page.getByRole("button", { name: "Create new API key" }).click();
    await page.getByLabel("Name").fill(`for-${reach}`);
    if (reach === "project") {
      await page.getByLabel("One project").check();
      await page.getByRole("button", { name: "Create", exact: true }).click();
      await page.getByText("Choose a project.").waitFor();
      await page.getByLabel("Project", { exact: true }).selectOption(project.project.id);
    }
    await page.getByRole("button", { name: "Create", exact: true }).click();
    const shown = page.getByRole("dialog", { name: "Copy your key now" });
    keys.push(/lk_(org|proj)_\w{49}/.exec((await shown.textContent()) ?? "")?.[0] ?? "");
    await shown.getByLabel("I have stored it in a safe place").check();
    await shown.getByRole("button", { name: "Done" }).click();
    await shown.waitFor({ state: "detached" });
  }
  assert.match(keys.join(" "), /^lk_org_\w+ lk_proj_\w+$/);
  await page.getByRole("row", { name: /for-organization.*All projects/ }).waitFor();
  await page.getByRole("row", { name: /for-project.*storefront/ }).waitFor();
  await chooseAction(page, "for-project", "Revoke…");
  await confirm(page, "Revoke key");
  await page.getByRole("row", { name: /for-project/ }).waitFor({ state: "detached" });
  assert.equal((await server.call("GET", "/auth", { key: keys[1] ?? "" })).status, 401);
  assert.equal((await server.call("GET", "/auth", { key: keys[0] ?? "" })).status, 200);
});

test("a personal key's form makes keys of the other kinds too", async () => {
  const { page } = admin;
  await page.goto(at("/account/api-keys?create=true"));
  await page.getByRole("dialog").getByLabel("Name").fill("for-acme");
  await page.getByLabel("An organization").check();
  await page.getByLabel("Organization", { exact: true }).selectOption(org_id);
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByText(/lk_org_\w{49}/).waitFor();
  await page.getByLabel("I have stored it in a safe place").check();
  await page.getByRole("button", { name: "Done" }).click();
});

test("member roles change, the last admin stays, and whoever leaves loses access at once", async () => {
  const { page } = admin;
  member_key = (
    await server.expect<{ key: string }>(200, "POST", "/api_keys", {
      cookie: (await mary.context.cookies()).map(({ name, value }) => `${name}=${value}`).join("; "),
      body: { key_name: "mary" },
    })
  ).key;
  await page.goto(at(`/organizations/${org_id}/members`));
  await chooseAction(page, "Ada", "Leave…");
  await page.getByRole("button", { name: "Leave organization" }).click();
  await page.getByText(/You are the last admin of this organization/).waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await chooseAction(page, "Mary", "Change member role…");
  await page.getByLabel("Admin", { exact: true }).check();
  await page.getByRole("button", { name: "Change member role" }).click();
  await page.getByRole("row", { name: /Mary.*admin/ }).waitFor();
  await chooseAction(page, "Mary", "Remove…");
  await confirm(page, "Remove member");
  await page.getByRole("row", { name: /Mary/ }).waitFor({ state: "detached" });
  const refused = await server.call("GET", `/organizations/${org_id}`, { key: member_key });
  assert.ok([403, 404].includes(refused.status));
});

test("an invitation can be withdrawn, and its link is dead", async () => {
  const { page } = admin;
  await page.getByRole("button", { name: "Invite a person" }).click();
  await page.getByLabel("E-mail").fill("late@example.com");
  await page.getByRole("button", { name: "Invite", exact: true }).click();
  const late = (await page.getByRole("dialog").locator("code").textContent()) ?? "";
  await page.getByRole("button", { name: "Done" }).click();
  await chooseAction(page, "late@example.com", "Withdraw…");
  await confirm(page, "Withdraw invitation");
  await page.getByText("Nobody is invited right now.").waitFor();
  await mary.page.goto(late);
  await mary.page.getByRole("button", { name: "Join the organization" }).click();
  await mary.page.getByText("This invitation is no longer open").waitFor();
});

test("another session is signed out from the list, and is out at once", async () => {
  const { page } = admin;
  await page.goto(at("/account/sessions"));
  const others = page.getByRole("row").filter({ hasText: "Chrome on Linux" });
  await others.first().waitFor();
  await others
    .first()
    .getByRole("button", { name: /Actions for/ })
    .click();
  await page.getByRole("menuitem", { name: "Sign out…" }).click();
  await confirm(page, "Sign out");
  await others.waitFor({ state: "detached" });
});
