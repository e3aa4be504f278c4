import assert from "node:assert/strict";
import test, { after } from "node:test";
import type { Page } from "playwright-core";
import { authorizationQuery, beginDevice, newVerifier } from "../harness/oauth.ts";
import { waitFor } from "../harness/server.ts";
import { buildSite, STOPS } from "./site.ts";
import { startStage } from "./visit.ts";
import { heading, whole } from "./whole-page.ts";

/** Every page over a line that is slow, and over one that is cut. What single lists and forms make of it: manners.test.ts. */
const stage = await startStage({ after }, { LATCHKEY_SIGN_UP: "open" });
const site = await buildSite(stage.server);
const API = /\/api\/v2\//;
/** What tells who one is, which server this is, and which organization or project the page is about. */
const PERSON = /\/api\/v2\/users\/me$/;
const SURROUNDINGS = /\/api\/v2\/(instance|users\/me\/organizations|(projects|organizations)\/[^/?]+)$/;
const isPlace = (url: string) => PERSON.test(url) || SURROUNDINGS.test(url);
/** They show nothing but what tells the place, and ask for nothing else. */
const SELF_SUFFICIENT = new Set([
  ...["profile", "new-organization", "new-project", "organization-settings", "project-settings"],
]);
/** Pages of the account: they belong to no organization, whose absence they need not tell. */
const PLACELESS = new Set(["profile", "account-api-keys", "command-lines", "sessions", "new-organization"]);
/** All but the one that shows failures on purpose, and asks the server nothing. */
const ASKING = STOPS.filter(({ name }) => name !== "design");
const NO_CONNECTION = "No connection to the server";
/** What the browser, and the router, report of a line that is cut. */
const CUT = /ERR_FAILED|cannot reach/;

/** A page of somebody who is not signed in, or is on the way to letting a command line in. */
interface Door {
  readonly path: string;
  readonly title: string;
  readonly signed_in?: true;
  /** It needs no answer to be of use. */
  readonly self_sufficient?: true;
}
const device = new URL((await beginDevice(stage.server)).verification_uri_complete);
const DOORS: readonly Door[] = [
  { path: "/sign-in", title: "Sign in", self_sufficient: true },
  { path: "/sign-up", title: "Sign up" },
  { path: "/setup", title: "This server is set up" },
  { path: "/forgot-password", title: "Forgot your password?" },
  { path: "/reset-password#x", title: "Set a new password", self_sufficient: true },
  { path: "/invitations/accept#x", title: "Accept an invitation" },
  { path: "/oauth/refused?reason=client", title: "This sign-in cannot go on", self_sufficient: true },
  {
    path: `/oauth2/authorize?${authorizationQuery(newVerifier().challenge)}`,
    title: "Let Neon CLI in?",
    signed_in: true,
  },
  { path: device.pathname + device.search, title: "Sign in a machine", signed_in: true },
];

async function slowDown(page: Page): Promise<void> {
  await page.route(API, async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    await route.continue().catch(() => undefined);
  });
}

/** Cuts what is matched, and opens the page. */
async function openCut(page: Page, path: string, isCut: (url: string) => boolean): Promise<void> {
  // A page that is open would go on asking; and one that differs in its fragment alone would not be loaded anew.
  await page.goto("about:blank");
  await page.route(API, (route) => (isCut(route.request().url()) ? route.abort() : route.continue()));
  await page.goto(stage.server.url + path);
  await page.getByRole("heading", { level: 1 }).waitFor();
}

/** Gives the connection back and tries again, until nothing on the page has failed. */
async function tryAgain(page: Page): Promise<void> {
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
  });
}

/** What is wrong with a page whose line was cut, and then given back. */
async function problemsOf(page: Page, title: string | RegExp, is_told: boolean): Promise<string[]> {
  const found: string[] = [];
  const note = (text: string) => () => void found.push(text);
  if (is_told) {
    await page.getByText(NO_CONNECTION).first().waitFor().catch(note("does not say that there is no connection"));
    await whole(page).catch(note("something goes on loading for ever"));
  }
  await tryAgain(page).catch(note("still failed"));
  await heading(page, title).waitFor().catch(note("not there after it was tried again"));
  await whole(page).catch(note("not whole after it was tried again"));
  return found;
}

test("every page comes whole when each answer takes its time", async () => {
  const { page } = await stage.visit({ cookie: site.admin.cookie });
  await slowDown(page);
  for (const stop of ASKING) {
    await page.goto(stage.server.url + stop.path(site));
    await heading(page, stop.heading.admin).waitFor();
    await whole(page);
    assert.equal(await page.getByRole("alert").count(), 0, stop.name);
  }
});

test("every page says that there is no connection, and is there once it is tried again with one", async () => {
  const { page } = await stage.visit({ cookie: site.admin.cookie, expected: CUT });
  const found: string[] = [];
  for (const { name, path, heading: title } of ASKING) {
    await openCut(page, path(site), (url) => !isPlace(url));
    const problems = await problemsOf(page, title.admin, !SELF_SUFFICIENT.has(name));
    found.push(...problems.map((text) => `${name}: ${text}`));
  }
  assert.deepEqual(found, []);
});

test("where not even who one is can be asked, every page says so, and is there once it is tried again", async () => {
  const { page } = await stage.visit({ cookie: site.admin.cookie, expected: CUT });
  const found: string[] = [];
  for (const { name, path, heading: title } of ASKING) {
    await openCut(page, path(site), (url) => PERSON.test(url));
    const problems = await problemsOf(page, title.admin, true);
    found.push(...problems.map((text) => `${name}: ${text}`));
  }
  assert.deepEqual(found, []);
});

test("without what tells where one is no page loads for ever, and each is there once it is tried again", async () => {
  const { page } = await stage.visit({ cookie: site.admin.cookie, expected: CUT });
  const found: string[] = [];
  for (const { name, path, heading: title } of ASKING) {
    await openCut(page, path(site), (url) => SURROUNDINGS.test(url));
    await whole(page).catch(() => found.push(`${name}: something goes on loading for ever`));
    const problems = await problemsOf(page, title.admin, !PLACELESS.has(name));
    found.push(...problems.map((text) => `${name}: ${text}`));
  }
  assert.deepEqual(found, []);
});

test("the pages of visitors and of OAuth come whole over a slow line, and over a cut one say so and come back", async () => {
  const found: string[] = [];
  for (const signed_in of [false, true]) {
    const cookie = signed_in ? { cookie: site.admin.cookie } : {};
    const slow = await stage.visit({ ...cookie, expected: /status of 401/ });
    const { page } = await stage.visit({ ...cookie, expected: /status of 401|ERR_FAILED|cannot reach/ });
    await slowDown(slow.page);
    for (const { path, title, self_sufficient } of DOORS.filter((door) => (door.signed_in ?? false) === signed_in)) {
      await slow.page.goto("about:blank");
      await slow.page.goto(stage.server.url + path);
      await heading(slow.page, title).waitFor();
      await whole(slow.page);
      assert.equal(await slow.page.getByRole("alert").count(), 0, path);

      await openCut(page, path, () => true);
      const problems = await problemsOf(page, title, !self_sufficient);
      found.push(...problems.map((text) => `${path}: ${text}`));
    }
  }
  assert.deepEqual(found, []);
});
