import assert from "node:assert/strict";
import test, { after } from "node:test";
import { createOrganization, createProject, setupTokenOf, signUp } from "../harness/world.ts";
import { focused } from "./states.ts";
import { startStage } from "./visit.ts";

/** The ways from place to place: the switchers of the breadcrumb and the command palette, and how one is told where one is. */
const stage = await startStage({ after });
const { server } = stage;
const ada = await signUp(server, "Ada", { setup_token: setupTokenOf(server) });
const acme = await createOrganization(server, ada.key, "Acme");
const globex = await createOrganization(server, ada.key, "Globex");
const { project, branch } = await createProject(server, ada.key, acme, "storefront");
const { project: other } = await createProject(server, ada.key, acme, "warehouse");
await server.settle(project.id, ada.key);
const dev = await server.expect<{ branch: { id: string } }>(201, "POST", `/projects/${project.id}/branches`, {
  key: ada.key,
  body: { branch: { name: "dev" } },
});
await server.settle(project.id, ada.key);
// Signing out at the end leaves a page that asks who is there.
const { page } = await stage.visit({ cookie: ada.cookie, expected: /status of 401/ });

const heading = (name: string) => page.getByRole("heading", { level: 1, name, exact: true });
const switcher = (kind: string, name: string) => page.getByRole("button", { name: `Switch ${kind}, now ${name}` });

/** One is there: the address, the heading with the focus, and the tab's title say so. */
async function arrived(path: string, name: string, title: string): Promise<void> {
  await page.waitForURL(`${server.url}${path}`);
  await focused(heading(name));
  await page.waitForFunction((text) => document.title === text, `${title} · Latchkey`);
}

async function choose(kind: string, now: string, then: string): Promise<void> {
  await switcher(kind, now).click();
  await page.getByRole("menuitem", { name: then, exact: true }).click();
}

async function command(group: string, name: string): Promise<void> {
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Search pages and actions" }).fill(name);
  await page.getByRole("group", { name: group, exact: true }).getByRole("option", { name, exact: true }).click();
}

test("another organization, project and branch are chosen in the breadcrumb", async () => {
  await page.goto(`${server.url}/organizations/${globex}/members`);
  await heading("Members").waitFor();
  await choose("organization", "Globex", "Acme");
  await arrived(`/organizations/${acme}/projects`, "Projects", "Projects · Acme");
  await page.getByRole("link", { name: "warehouse" }).click();
  await arrived(`/projects/${other.id}`, "warehouse", "warehouse");
  await choose("project", "warehouse", "storefront");
  await arrived(`/projects/${project.id}`, "storefront", "storefront");
  await page.getByRole("link", { name: "Branches" }).click();
  await heading("Branches").waitFor();
  await page.getByRole("link", { name: "main", exact: true }).click();
  await arrived(`/projects/${project.id}/branches/${branch.id}`, "Branch main", "Branch main · storefront");
  await choose("branch", "main", "dev");
  await arrived(`/projects/${project.id}/branches/${dev.branch.id}`, "Branch dev", "Branch dev · storefront");
  await switcher("branch", "dev").waitFor();
  await page.goBack();
  await arrived(`/projects/${project.id}/branches/${branch.id}`, "Branch main", "Branch main · storefront");
});

test("the first page of a visit leaves the focus where it is, though its title comes late", async () => {
  await page.goto(`${server.url}/projects/${project.id}`);
  await heading("storefront").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), "BODY");
});

test("pages of one title are told apart: the focus goes to the new one, and the tab says whose it is", async () => {
  await page.goto(`${server.url}/account/api-keys`);
  await heading("API keys").waitFor();
  await command("Acme", "Organization API keys");
  await arrived(`/organizations/${acme}/settings/api-keys`, "API keys", "API keys · Acme");
  await command("Projects", "storefront");
  await arrived(`/projects/${project.id}`, "storefront", "storefront");
  await command("storefront", "Branches");
  await arrived(`/projects/${project.id}/branches`, "Branches", "Branches · storefront");
  await command("Projects", "warehouse");
  await arrived(`/projects/${other.id}`, "warehouse", "warehouse");
  await command("warehouse", "Branches");
  await arrived(`/projects/${other.id}/branches`, "Branches", "Branches · warehouse");
  await page.evaluate(() => window.history.go(-2));
  await arrived(`/projects/${project.id}/branches`, "Branches", "Branches · storefront");
  await command("storefront", "Project settings");
  await arrived(`/projects/${project.id}/settings`, "Settings", "Settings · storefront");
  await command("Acme", "Organization settings");
  await arrived(`/organizations/${acme}/settings`, "Settings", "Settings · Acme");
});

test("the palette leads to every page of every rail, and to each branch", async () => {
  const hrefs = new Map<string, string>();
  for (const path of ["/account/profile", `/organizations/${acme}/projects`, `/projects/${project.id}`]) {
    await page.goto(server.url + path);
    await page.locator("nav [aria-current=page]").waitFor();
    for (const link of await page.locator("nav:not([aria-label=Breadcrumb]) li a").all()) {
      hrefs.set((await link.getAttribute("href")) ?? "", (await link.textContent()) ?? "");
    }
  }
  assert.equal(hrefs.size, 15);
  for (const [href, label] of hrefs) {
    const [group, subject] = href.startsWith("/account")
      ? ["Account", /^$/]
      : href.startsWith("/organizations")
        ? ["Acme", /^Organization /]
        : ["storefront", /^Project /];
    await page.keyboard.press("Control+k");
    const options = page.getByRole("group", { name: group, exact: true }).getByRole("option");
    await options.first().waitFor();
    const names = await options.allTextContents();
    const name = names.find((one) => one.replace(subject, "").toLowerCase() === label.toLowerCase());
    assert.ok(name, `${label} is not among ${names.join(", ")}`);
    await page.keyboard.press("Escape");
    await options.first().waitFor({ state: "detached" });
  }
  await command("Branches", "dev");
  await arrived(`/projects/${project.id}/branches/${dev.branch.id}`, "Branch dev", "Branch dev · storefront");
  await command("Branches", "Schema of dev");
  await heading("Schema of dev").waitFor();
  await command("Account", "Command lines");
  await arrived("/account/command-lines", "Command lines", "Command lines");
});

test("the palette signs out", async () => {
  await command("Do", "Sign out");
  await heading("Sign in").waitFor();
  assert.equal((await server.call("GET", "/users/me", { cookie: ada.cookie })).status, 401);
});
