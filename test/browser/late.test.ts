import assert from "node:assert/strict";
import test, { after } from "node:test";
import type { Locator, Page } from "playwright-core";
import { waitFor } from "../harness/server.ts";
import { buildSite } from "./site.ts";
import { focused } from "./states.ts";
import { startStage, type Visit } from "./visit.ts";

/** Parts of the Console that are fetched when they are wanted, and do not come. */
const stage = await startStage({ after }, { LATCHKEY_SIGN_UP: "open" });
const { server } = stage;
const site = await buildSite(server);
await server.expect(200, "POST", "/api_keys", { key: site.admin.key, body: { key_name: "laptop" } });

interface LatePart {
  readonly what: string;
  readonly path: string;
  /** The files it is in, by name. */
  readonly code: RegExp;
  readonly ask: (page: Page) => Promise<void>;
  readonly comes: (page: Page) => Locator;
}

const MENU_OF_KEY = (page: Page) => page.getByRole("button", { name: "Actions for laptop" });
const PARTS: readonly LatePart[] = [
  {
    what: "the form of a new key",
    path: "/account/api-keys",
    code: /NewPersonalKeyDialog/,
    ask: (page) => page.getByRole("button", { name: "Create new API key" }).click(),
    comes: (page) => page.getByRole("dialog", { name: "Create API key" }),
  },
  {
    what: "the question before a key is revoked",
    path: "/account/api-keys",
    code: /ConfirmDialog/,
    ask: async (page) => {
      await MENU_OF_KEY(page).click();
      await page.getByRole("menuitem", { name: "Revoke…" }).click();
    },
    comes: (page) => page.getByRole("alertdialog", { name: "Revoke laptop?" }),
  },
  {
    what: "the menu of a row",
    path: "/account/api-keys",
    code: /menu-parts/,
    ask: (page) => MENU_OF_KEY(page).click(),
    comes: (page) => page.getByRole("menuitem", { name: "Revoke…" }),
  },
  {
    what: "the menu of the person",
    path: "/account/api-keys",
    code: /menu-parts/,
    ask: (page) => page.getByRole("button", { name: /User menu/ }).click(),
    comes: (page) => page.getByRole("menuitem", { name: "Sign out" }),
  },
  {
    what: "the command palette",
    path: "/account/api-keys",
    code: /CommandPalette/,
    ask: (page) => page.keyboard.press("Control+k"),
    comes: (page) => page.getByRole("combobox", { name: "Search pages and actions" }),
  },
  {
    what: "the question before a project is deleted",
    path: `/projects/${site.project_id}/settings`,
    code: /DeleteProjectDialog/,
    ask: (page) => page.getByRole("button", { name: "Delete project…" }).click(),
    comes: (page) => page.getByRole("dialog", { name: /Delete/ }),
  },
];

const OUTDATED = "This page is from an earlier version of the Console";
const UNREACHABLE = "This part of the Console did not come";

async function openWithout({ code, path }: Pick<LatePart, "code" | "path">): Promise<Visit> {
  const visit = await stage.visit({ cookie: site.admin.cookie, expected: /status of 404|ERR_(FAILED|CONNECTION)/ });
  await visit.page.route(code, (route) => route.abort("connectionfailed"));
  await visit.page.goto(server.url + path);
  await visit.page.getByRole("heading", { level: 1 }).waitFor();
  // It was tried once, when the page was idle: from here on it is fetched only when it is asked for.
  await waitFor("the first try", () => visit.requests.some((request) => code.test(request.url())));
  return visit;
}

/** As after an upgrade: the files of the old Console are gone, and the page names others. */
async function upgrade(page: Page, code: RegExp): Promise<void> {
  await page.unroute(code);
  await page.route(code, (route) => route.fulfill({ status: 404, json: {} }));
  await page.route(`${server.url}/`, async (route) => {
    const answer = await route.fetch();
    await route.fulfill({
      response: answer,
      body: (await answer.text()).replace(/\/assets\/index-/g, "/assets/newer-"),
    });
  });
}

for (const part of PARTS) {
  test(`${part.what}, when it does not come, says so, and comes when it is tried again`, async () => {
    const { page, context } = await openWithout(part);
    await part.ask(page);
    const failed = page.getByRole("alertdialog", { name: UNREACHABLE });
    await failed.waitFor();
    await focused(failed.getByRole("button").first());
    await page.keyboard.press("Escape");
    await failed.waitFor({ state: "detached" });
    await part.ask(page);
    await failed.waitFor();
    await page.unroute(part.code);
    await failed.getByRole("button", { name: "Try again" }).click();
    await part.comes(page).waitFor();
    assert.equal(await failed.count(), 0);
    await context.close();
  });
}

test("a part that is gone with an upgrade of the server says so, and a reload brings the new one", async () => {
  for (const part of PARTS.filter(({ what }) => /form of|palette/.test(what))) {
    const { page, context } = await openWithout(part);
    await upgrade(page, part.code);
    await part.ask(page);
    const failed = page.getByRole("alertdialog", { name: OUTDATED });
    await failed.waitFor();
    await page.unrouteAll();
    const reloaded = page.waitForEvent("load");
    await failed.getByRole("button", { name: "Reload page" }).click();
    await reloaded;
    await page.getByRole("heading", { level: 1 }).waitFor();
    await part.ask(page);
    await part.comes(page).waitFor();
    await context.close();
  }
});

test("a chart that does not come says so in its place, and comes when it is tried again", async () => {
  const code = /UsageChart/;
  const { page, context } = await openWithout({ code, path: "/design" });
  const alert = page.getByRole("figure").first().getByRole("alert");
  await alert.getByText(UNREACHABLE).waitFor();
  await page.unroute(code);
  await alert.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("figure").first().locator(".recharts-surface").waitFor();
  await context.close();
});
