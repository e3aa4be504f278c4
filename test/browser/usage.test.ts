import assert from "node:assert/strict";
import test, { after } from "node:test";
import { waitFor } from "../harness/server.ts";
import { createProject } from "../harness/world.ts";
import { violationsInBothThemes } from "./axe.ts";
import { buildSite } from "./site.ts";
import { noteUsage } from "./usage-history.ts";
import { NARROW, startStage, WIDE } from "./visit.ts";

/** The pages about what was used: charts, the same as tables, and the choice of time. */
const stage = await startStage({ after }, { LATCHKEY_SIGN_UP: "open" });
const { server } = stage;
const site = await buildSite(server);
const { org_id, project_id } = site;
const other = await createProject(server, site.admin.key, org_id, "analytics");
await noteUsage(server, [
  { project_id, branch_id: site.branch_id, share: 1 },
  { project_id: other.project.id, branch_id: other.branch.id, share: 0.5 },
]);
const { page } = await stage.visit({ cookie: site.admin.cookie, expected: /status of (500|404)|ERR_FAILED/ });
const HISTORY = /consumption_history/;
const usage = `${server.url}/organizations/${org_id}/usage`;

const chart = (name: string) => page.getByRole("application", { name });
const table = () => page.getByRole("table", { name: "Usage", exact: true });

test("an organization's usage is shown as charts, as a table, and by project, which leads to that project's own", async () => {
  await page.goto(usage);
  for (const name of ["Compute time", "Storage", "Written data"]) await chart(name).waitFor();
  await page.getByText(/^\d+(\.\d+)? h in all$/).waitFor();
  await page.getByText(/MB at the end$/).waitFor();
  await table().getByRole("rowheader").nth(29).waitFor();
  assert.equal(await table().getByRole("rowheader").count(), 30);
  const by_project = page.getByRole("table", { name: "Projects by usage" });
  const names = by_project.getByRole("rowheader").getByRole("link");
  // Once upwards, twice downwards: of the three, one has used twice as much as analytics, one nothing.
  const most = page.locator(`a[href="/projects/${project_id}/usage"]`);
  await by_project.getByRole("button", { name: "Compute time" }).click();
  await names.last().and(most).waitFor();
  await by_project.getByRole("button", { name: "Compute time" }).click();
  await names.first().and(most).waitFor();
  await names
    .nth(1)
    .and(page.getByRole("link", { name: "analytics", exact: true }))
    .click();
  await page.waitForURL(`**/projects/${other.project.id}/usage`);
  // The address is there before the page that it names, and both have such a chart.
  await by_project.waitFor({ state: "detached" });
  await chart("Compute time").waitFor();
});

test("the period and its steps are chosen, stand in the address, and are there again after a reload", async () => {
  await page.goto(usage);
  await page.getByLabel("Period").selectOption("Last 7 days");
  await table().getByRole("columnheader", { name: "Day" }).waitFor();
  await page.getByLabel("Shown by").selectOption("Hour");
  await table().getByRole("columnheader", { name: "Hour from" }).waitFor();
  await page.waitForURL(/range=7d&by=hourly/);
  await page.reload();
  await table().getByRole("columnheader", { name: "Hour from" }).waitFor();
  assert.equal(await page.getByLabel("Period").inputValue(), "7d");
  // What the next period has no steps of is not kept.
  await page.getByLabel("Period").selectOption("Last 12 months");
  await table().getByRole("columnheader", { name: "Month" }).waitFor();
  await page.goto(`${usage}?range=forever&by=second`);
  await table().getByRole("columnheader", { name: "Day" }).waitFor();
});

test("a chart is walked with the arrow keys, which say each step, and has no accessibility violation meanwhile", async () => {
  await page.goto(usage);
  await chart("Compute time").focus();
  await page.keyboard.press("ArrowRight");
  const said = page.getByRole("status").filter({ hasText: /\d/ });
  const first = await said.textContent();
  assert.match(first ?? "", /20\d\d[\d.]+ (h|min|s)$/);
  await page.keyboard.press("ArrowRight");
  await said.filter({ hasNotText: first ?? "" }).waitFor();
  assert.deepEqual(await violationsInBothThemes(page), []);
});

test("a chart is as wide as its page, and the page as wide as its window", async () => {
  await page.setViewportSize(NARROW);
  await page.goto(`${server.url}/projects/${project_id}/usage?range=24h`);
  await chart("Storage").waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), NARROW.width);
  const box = await chart("Storage").boundingBox();
  assert.ok(box && box.width > 250 && box.width < NARROW.width);
  // Between a turn of the device and the next drawing a chart is still as wide as it was.
  const width_px = await page.evaluate(() => {
    for (const drawn of document.querySelectorAll<HTMLElement>(".recharts-wrapper")) drawn.style.width = "1200px";
    return document.documentElement.scrollWidth;
  });
  assert.equal(width_px, NARROW.width);
  await page.setViewportSize(WIDE);
});

test("on a narrow screen the rail shows the section that one is in", async () => {
  await page.setViewportSize(NARROW);
  for (const path of [`projects/${project_id}/settings`, `organizations/${org_id}/settings/api-keys`]) {
    await page.goto(`${server.url}/${path}`);
    // The rail is scrolled once it is drawn.
    await waitFor(`the section of ${path} in the window`, async () => {
      const box = await page.locator("nav [aria-current=page]").boundingBox();
      return box !== null && box.x >= 0 && box.x + box.width <= NARROW.width;
    });
  }
  await page.setViewportSize(WIDE);
});

test("without anything measured the page says when something will be there; without a project it offers one", async () => {
  const stranger = await stage.visit({ cookie: site.stranger.cookie });
  await stranger.page.goto(`${server.url}/organizations/${site.stranger_org_id}/usage`);
  await stranger.page.getByText("Nothing was measured in this time").waitFor();
  await stranger.page.getByRole("main").getByRole("link", { name: "Create project" }).waitFor();
});

test("a failure is told with its request id and tried again; charts whose code does not come leave the table", async () => {
  await page.route(HISTORY, (route) =>
    route.fulfill({ status: 500, json: { request_id: "r-1", code: "", message: "x" } }),
  );
  await page.goto(usage);
  await page.getByText("r-1").waitFor();
  await page.unroute(HISTORY);
  await page.getByRole("button", { name: "Try again" }).click();
  await chart("Compute time").waitFor();
  await page.route(/UsageChart/, (route) => route.abort());
  await page.goto(`${usage}?range=60d`);
  await table().getByRole("rowheader").first().waitFor();
  assert.equal(await chart("Compute time").count(), 0);
});
