import assert from "node:assert/strict";
import test, { after } from "node:test";
import { waitFor } from "../harness/server.ts";
import { buildSite, STOPS } from "./site.ts";
import { startStage } from "./visit.ts";
import { heading, whole } from "./whole-page.ts";

/** Every page over a line that is slow, and over one that is cut. What single lists and forms make of it: manners.test.ts. */
const stage = await startStage({ after }, { LATCHKEY_SIGN_UP: "open" });
const site = await buildSite(stage.server);
const API = /\/api\/v2\//;
/** What tells who one is and where: without it there is no page to speak of. */
const PLACE = /\/api\/v2\/(instance|users\/me(\/organizations)?|(projects|organizations)\/[^/?]+)$/;
/** They show nothing but what tells the place, and ask for nothing else. */
const SELF_SUFFICIENT = new Set([
  ...["profile", "new-organization", "new-project", "organization-settings", "project-settings"],
]);
/** All but the one that shows failures on purpose, and asks the server nothing. */
const ASKING = STOPS.filter(({ name }) => name !== "design");

test("every page comes whole when each answer takes its time", async () => {
  const { page } = await stage.visit({ cookie: site.admin.cookie });
  await page.route(API, async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    await route.continue().catch(() => undefined);
  });
  for (const stop of ASKING) {
    await page.goto(stage.server.url + stop.path(site));
    await heading(page, stop.heading.admin).waitFor();
    await whole(page);
    assert.equal(await page.getByRole("alert").count(), 0, stop.name);
  }
});

test("every page says that there is no connection, and is there once it is tried again with one", async () => {
  const { page } = await stage.visit({ cookie: site.admin.cookie, expected: /ERR_FAILED/ });
  const found: string[] = [];
  for (const stop of ASKING) {
    await page.route(API, (route) => (PLACE.test(route.request().url()) ? route.continue() : route.abort()));
    await page.goto(stage.server.url + stop.path(site));
    await page.getByRole("heading", { level: 1 }).waitFor();
    if (!SELF_SUFFICIENT.has(stop.name)) {
      const told = page.getByText("No connection to the server").first();
      await told.waitFor().catch(() => found.push(`${stop.name}: does not say that there is no connection`));
      await whole(page).catch(() => found.push(`${stop.name}: something goes on loading for ever`));
    }
    await page.unroute(API);
    const again = page.getByRole("button", { name: "Try again" });
    await waitFor("what failed to be there", async () => {
      // What is followed asks by itself too, and may have taken the button away.
      if ((await again.count()) > 0) {
        await again
          .first()
          .click({ timeout: 1_000 })
          .catch(() => undefined);
      }
      return (await page.getByRole("alert").count()) === 0;
    }).catch(() => found.push(`${stop.name}: still failed`));
    await heading(page, stop.heading.admin).waitFor();
    await whole(page).catch(() => found.push(`${stop.name}: not whole after it was tried again`));
  }
  assert.deepEqual(found, []);
});
