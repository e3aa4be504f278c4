import assert from "node:assert/strict";
import test, { after } from "node:test";
import type { Page } from "playwright-core";
import { overflow, violationsInBothThemes } from "./axe.ts";
import { buildSite, type Site, STOPS, type Stop } from "./site.ts";
import { readRoutes } from "./site-map.ts";
import { NARROW, startStage, type Visit, WIDE } from "./visit.ts";
import { heading, whole } from "./whole-page.ts";

/** Every page, for everybody, in both themes and on a narrow screen: it opens, and it can be used by everybody. */
const stage = await startStage({ after }, { LATCHKEY_SIGN_UP: "open" });
const site = await buildSite(stage.server);
// The browser reports every refusal of the API; what the page makes of it is looked at.
const REFUSALS = /status of (401|403|404)/;

/** Enough for most of a name. */
const LEAST_ROOM_PX = 120;

async function open({ page }: Visit, stop: Stop, name: string | RegExp): Promise<void> {
  await page.goto(stage.server.url + stop.path(site));
  await heading(page, name).waitFor();
}

/** Pages for visitors and of OAuth, which have tests of their own, and the home page, which leads elsewhere. */
const APART = [
  ...["/setup", "/sign-in", "/sign-up", "/forgot-password", "/reset-password", "/invitations/accept"],
  ...["/oauth/consent", "/oauth/device", "/oauth/refused"],
  "/",
];

test("the pages that are visited are those of the site map", () => {
  const names = { org_id: "$org_id", project_id: "$project_id", branch_id: "$branch_id" } as Site;
  const visited = STOPS.map((stop) => stop.path(names).split("?")[0]);
  const pages = readRoutes()
    .filter(({ is_page }) => is_page)
    .map(({ path }) => path);
  assert.deepEqual([...visited, ...APART].toSorted(), pages.toSorted());
});

test("every page opens for an admin, has no accessibility violation in either theme, and fits a narrow screen", async () => {
  const visit = await stage.visit({ cookie: site.admin.cookie });
  const found: string[] = [];
  for (const stop of STOPS) {
    await open(visit, stop, stop.heading.admin);
    await whole(visit.page);
    found.push(...(await violationsInBothThemes(visit.page)).map((line) => `${stop.name}: ${line}`));
    await visit.page.setViewportSize(NARROW);
    const overflow_px = await overflow(visit.page);
    if (overflow_px > 0) found.push(`${stop.name}: ${overflow_px} px too wide`);
    await visit.page.setViewportSize(WIDE);
  }
  assert.deepEqual(found, []);
});

test("at every width the names of rows have room, and no page is wider than its window", async () => {
  const { page } = await stage.visit({ cookie: site.admin.cookie });
  const found: string[] = [];
  for (const stop of STOPS) {
    await page.setViewportSize(WIDE);
    await page.goto(stage.server.url + stop.path(site));
    await heading(page, stop.heading.admin).waitFor();
    await whole(page);
    for (const width of [640, 768, 1024, 1280]) {
      await page.setViewportSize({ ...WIDE, width });
      const overflow_px = await overflow(page);
      if (overflow_px > 0) found.push(`${stop.name}: ${overflow_px} px too wide at ${width}`);
      for (const [list, room_px] of await roomOfNames(page)) {
        if (room_px < LEAST_ROOM_PX) found.push(`${stop.name}: ${list} leaves ${room_px} px at ${width}`);
      }
    }
  }
  assert.deepEqual(found, []);
});

/** Of each list, the width of the column that names its rows. */
async function roomOfNames(page: Page): Promise<[string, number][]> {
  return await page.locator("table").evaluateAll((tables) =>
    tables.flatMap((table) => {
      const name = table.querySelector("tbody th[scope=row]");
      return name ? [[table.ariaLabel ?? "", name.clientWidth] as [string, number]] : [];
    }),
  );
}

for (const role of ["member", "stranger"] as const) {
  test(`every page opens for a ${role}, or says why not`, async () => {
    const visit = await stage.visit({ cookie: site[role].cookie, expected: REFUSALS });
    for (const stop of STOPS) await open(visit, stop, stop.heading[role] ?? stop.heading.admin);
    if (role === "stranger") return;
    await visit.page.goto(`${stage.server.url}/organizations/${site.org_id}/settings/api-keys`);
    await visit.page.getByText("Only admins see and make the keys").waitFor();
    assert.deepEqual(await violationsInBothThemes(visit.page), []);
  });
}

test("the pages for visitors have no accessibility violation in either theme", async () => {
  const { page } = await stage.visit({ expected: REFUSALS });
  const found: string[] = [];
  for (const path of [
    "/sign-in",
    "/sign-up",
    "/setup",
    "/invitations/accept#x",
    "/invitations/accept",
    "/forgot-password",
    "/reset-password",
    "/reset-password#x",
  ]) {
    await page.goto(stage.server.url + path);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await whole(page);
    found.push(...(await violationsInBothThemes(page)).map((line) => `${path}: ${line}`));
  }
  assert.deepEqual(found, []);
});

test("menus, dialogs and the palette have no accessibility violation in either theme", async () => {
  const { page } = await stage.visit({ cookie: site.admin.cookie });
  const press = (name: string | RegExp) => () => page.getByRole("button", { name }).click();
  const choose = (menu: string | RegExp, item: string) => async () => {
    await page.getByRole("button", { name: menu }).click();
    await page.getByRole("menuitem", { name: item }).click();
    await page.getByRole("dialog").waitFor();
  };
  const branch = `/projects/${site.project_id}/branches/${site.branch_id}`;
  const popups: [string, () => Promise<void>][] = [
    ["/account/api-keys", press("Create new API key")],
    ["/account/api-keys", press(/User menu/)],
    ["/account/api-keys", () => page.keyboard.press("Control+k")],
    [`/organizations/${site.org_id}/members`, press("Invite a person")],
    [`/projects/${site.project_id}/settings`, press("Delete project…")],
    [`/projects/${site.project_id}/branches`, press("Create branch")],
    [`/projects/${site.project_id}/branches`, press("Actions for main")],
    [branch, press("Branch actions")],
    [branch, press("Create role")],
    [branch, press("Create database")],
    [branch, choose("More for this compute", "Settings…")],
    [branch, choose(/^Actions for role/, "Show password…")],
  ];
  const found: string[] = [];
  for (const [path, act] of popups) {
    await page.goto(stage.server.url + path);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await whole(page);
    await act();
    await page.locator("[role=dialog], [role=menu]").first().waitFor();
    found.push(...(await violationsInBothThemes(page)).map((line) => `${path}: ${line}`));
  }
  assert.deepEqual(found, []);
});
