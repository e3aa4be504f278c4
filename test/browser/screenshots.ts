import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Browser, Page } from "playwright-core";
import { buildConsole } from "../../console/build.ts";
import { authorizationQuery, beginDevice, newVerifier } from "../harness/oauth.ts";
import { ensurePgBouncer } from "../harness/pgbouncer.ts";
import { freePort, TestServer } from "../harness/server.ts";
import { launchChromium } from "./chromium.ts";
import { buildDemo } from "./demo.ts";
import { manyKeys } from "./many-keys.ts";
import { STOPS } from "./site.ts";
import { NARROW, WIDE } from "./visit.ts";

/**
 * `node test/browser/screenshots.ts FOLDER [PART-OF-A-NAME]`: every page of the Console and its states,
 * light and dark, wide and narrow, as `page.theme.width.png`. They are for looking at.
 */
type Demo = Awaited<ReturnType<typeof buildDemo>>;

interface Shot {
  readonly name: string;
  readonly path: string;
  /** Who is signed in; absent: nobody. */
  readonly as?: "admin" | "member" | "stranger";
  /** Before the page is opened. */
  readonly prepare?: (page: Page) => Promise<unknown>;
  /** Brings the page into its state. */
  readonly act?: (page: Page) => Promise<unknown>;
  /** The state shows within the window: the rest of the page is of no interest. */
  readonly window_only?: boolean;
}

const press = (name: string | RegExp) => (page: Page) => page.getByRole("button", { name }).first().click();
const choose = (menu: string | RegExp, item: string) => async (page: Page) => {
  await press(menu)(page);
  await page.getByRole("menuitem", { name: item }).click();
  await page.locator("[role=dialog], [role=alertdialog]").first().waitFor();
};
/** Presses what opens a dialog, and waits for that: its code may still be on the way. */
const open = (name: string | RegExp) => async (page: Page) => {
  await press(name)(page);
  await page.locator("[role=dialog], [role=alertdialog]").first().waitFor();
};
const answer = (url: RegExp, status: number, body: unknown) => (page: Page) =>
  page.route(url, (route) => route.fulfill({ status, json: body }));

function shots(demo: Demo): Shot[] {
  const { org_id, project_id, branch_id } = demo;
  const deleted = `/organizations/${org_id}/projects/deleted`;
  const branches = `/projects/${project_id}/branches`;
  const branch = `${branches}/${branch_id}`;
  const keys = "/account/api-keys";
  const org_keys = `/organizations/${org_id}/settings/api-keys`;
  const members = `/organizations/${org_id}/members`;
  const usage = `/organizations/${org_id}/usage`;
  // One name for each shot: it has to be free.
  const names = ["deploy-2026-11", "staging", "grafana", "terraform", "mobile-ci", "import", "reports", "cron"];
  const createKey = async (page: Page) => {
    await press("Create new API key")(page);
    await page.getByLabel("Name").fill(names.shift() ?? `key-${Date.now()}`);
    await page.getByRole("button", { name: "Create", exact: true }).click();
    await page.getByRole("dialog", { name: "Copy your key now" }).waitFor();
    await page.mouse.move(0, 0);
  };
  const dialog = { as: "admin", window_only: true } as const;
  return [
    ...STOPS.map((stop) => ({ name: stop.name, path: stop.path(demo as never), as: "admin" as const })),
    { name: "setup-without-link", path: "/setup", prepare: answer(/\/instance$/, 200, NEW_INSTANCE) },
    { name: "setup", path: "/setup#lk_setup_x", prepare: answer(/\/instance$/, 200, NEW_INSTANCE) },
    { name: "sign-in", path: "/sign-in" },
    { name: "forgot-password-without-mail", path: "/forgot-password" },
    { name: "forgot-password", path: "/forgot-password", prepare: answer(/\/instance$/, 200, WITH_MAIL) },
    {
      name: "forgot-password-sent",
      path: "/forgot-password",
      prepare: answer(/\/instance$/, 200, WITH_MAIL),
      act: async (page) => {
        await page.getByLabel("E-mail").fill("ada@example.com");
        await press("Send the link")(page);
        await page.getByRole("heading", { name: "Check your mail" }).waitFor();
      },
    },
    { name: "reset-password", path: "/reset-password#lk_reset_x" },
    { name: "reset-password-without-link", path: "/reset-password" },
    {
      name: "reset-password-refused",
      path: "/reset-password#lk_reset_x",
      act: async (page) => {
        await page.getByLabel("New password", { exact: true }).fill("four unrelated words");
        await press("Set password")(page);
        await page.getByRole("heading", { name: "This link is not good any more" }).waitFor();
      },
    },
    { name: "sign-in-empty", path: "/sign-in", act: press("Sign in") },
    { name: "sign-up", path: "/sign-up" },
    {
      name: "sign-up-by-invitation",
      path: "/sign-up",
      prepare: answer(/\/instance$/, 200, { ...NEW_INSTANCE, needs_setup: false }),
    },
    { name: "invitation", path: "/invitations/accept#lk_invitation_x" },
    { name: "invitation-signed-in", path: "/invitations/accept#lk_invitation_x", as: "member" },
    {
      name: "invitation-closed",
      path: "/invitations/accept#lk_invitation_x",
      as: "member",
      act: press("Join the organization"),
    },
    { name: "missing", path: "/nowhere", as: "admin" },
    { name: "account-api-keys-empty", path: keys, as: "admin", prepare: answer(/\/api_keys$/, 200, []) },
    {
      name: "account-api-keys-loading",
      path: keys,
      as: "admin",
      prepare: (page) => page.route(/\/api_keys$/, () => {}),
    },
    { name: "account-api-keys-failed", path: keys, as: "admin", prepare: answer(/\/api_keys$/, 500, FAILURE) },
    {
      name: "account-api-keys-many",
      path: keys,
      as: "admin",
      window_only: true,
      prepare: answer(/\/api_keys$/, 200, manyKeys(10_000, { id: demo.admin.user_id, name: "Ada Lovelace" })),
    },
    { ...dialog, name: "key-create", path: keys, act: press("Create new API key") },
    {
      ...dialog,
      name: "key-create-project",
      path: keys,
      act: async (page) => {
        await press("Create new API key")(page);
        await page.getByLabel("A project").check();
        await page.getByRole("button", { name: "Create", exact: true }).click();
      },
    },
    { ...dialog, name: "key-shown", path: keys, act: createKey },
    {
      ...dialog,
      name: "key-leaving",
      path: keys,
      act: async (page) => {
        await createKey(page);
        await page.keyboard.press("Escape");
      },
    },
    {
      ...dialog,
      name: "key-revoke",
      path: keys,
      act: async (page) => {
        await press("Actions for ci-deploy")(page);
        await page.getByRole("menuitem").click();
      },
    },
    { ...dialog, name: "organization-key-create", path: org_keys, act: press("Create new API key") },
    { name: "organization-api-keys-member", path: org_keys, as: "member" },
    { name: "members-member", path: members, as: "member" },
    { ...dialog, name: "member-menu", path: members, act: press("Actions for Charles Babbage") },
    { ...dialog, name: "invite", path: members, act: press("Invite a person") },
    {
      ...dialog,
      name: "invite-link",
      path: members,
      act: async (page) => {
        await press("Invite a person")(page);
        await page.getByLabel("E-mail").fill("new@example.com");
        await page.getByRole("button", { name: "Invite", exact: true }).click();
        await page.getByRole("dialog", { name: "Pass this link on" }).waitFor();
      },
    },
    {
      ...dialog,
      name: "last-admin",
      path: members,
      act: async (page) => {
        await press("Actions for Ada Lovelace")(page);
        await page.getByRole("menuitem", { name: "Leave…" }).click();
        await press("Leave organization")(page);
      },
    },
    { name: "organization-stranger", path: members, as: "stranger" },
    { name: "projects-empty", path: "/", as: "stranger" },
    {
      name: "deleted-projects-some",
      path: deleted,
      as: "admin",
      prepare: answer(/recoverable=true/, 200, gone(org_id)),
    },
    {
      ...dialog,
      name: "project-password",
      path: `/projects/${project_id}`,
      act: press("Show password"),
    },
    {
      ...dialog,
      name: "project-working",
      path: `/projects/${project_id}`,
      prepare: answer(/\/operations\?/, 200, { operations: operations(project_id, "running") }),
    },
    {
      ...dialog,
      name: "project-failed",
      path: `/projects/${project_id}`,
      prepare: answer(/\/operations\?/, 200, { operations: operations(project_id, "failed") }),
    },
    { ...dialog, name: "project-delete", path: `/projects/${project_id}/settings`, act: press("Delete project…") },
    { name: "usage-hours", path: `/projects/${project_id}/usage?range=7d&by=hourly`, as: "admin" },
    { name: "usage-empty", path: usage, as: "admin", prepare: answer(/consumption_history/, 200, { projects: [] }) },
    {
      name: "usage-loading",
      path: usage,
      as: "admin",
      prepare: (page) => page.route(/consumption_history/, () => {}),
    },
    { name: "usage-failed", path: usage, as: "admin", prepare: answer(/consumption_history/, 500, FAILURE) },
    {
      ...dialog,
      name: "usage-step",
      path: usage,
      act: async (page) => {
        await page.getByRole("application").first().focus();
        await page.keyboard.press("ArrowRight");
      },
    },
    {
      name: "schema-differs",
      path: `${branches}/${demo.bare_branch_id}/schema`,
      as: "admin",
      prepare: answer(/compare_schema/, 200, { diff: DIFF }),
    },
    {
      name: "schema-same",
      path: `${branches}/${demo.bare_branch_id}/schema`,
      as: "admin",
      act: (page) => page.getByText(/is the same in main/).waitFor(),
    },
    {
      name: "project-unpooled",
      path: `/projects/${project_id}`,
      as: "admin",
      prepare: answer(/\/instance$/, 200, { ...NEW_INSTANCE, needs_setup: false }),
    },
    { ...dialog, name: "branch-create", path: branches, act: open("Create branch") },
    { ...dialog, name: "branch-menu", path: branches, act: press("Actions for preview/login") },
    { ...dialog, name: "branch-reset", path: branches, act: choose("Actions for preview/login", "Reset…") },
    { ...dialog, name: "branch-delete", path: branches, act: choose("Actions for ada/try-index", "Delete…") },
    { name: "branches-loading", path: branches, as: "admin", prepare: (page) => page.route(BRANCHES, () => {}) },
    { name: "branches-failed", path: branches, as: "admin", prepare: answer(BRANCHES, 500, FAILURE) },
    { name: "branch-without-compute", path: `${branches}/${demo.bare_branch_id}`, as: "admin" },
    { name: "branch-missing", path: `${branches}/br-gone`, as: "admin" },
    {
      name: "branch-failed",
      path: branch,
      as: "admin",
      prepare: answer(/\/(roles|databases|endpoints)$/, 500, FAILURE),
    },
    {
      ...dialog,
      name: "branch-working",
      path: branch,
      prepare: answer(/\/operations\?/, 200, { operations: operations(project_id, "running", branch_id) }),
    },
    { ...dialog, name: "compute-settings", path: branch, act: choose("More for this compute", "Settings…") },
    { ...dialog, name: "compute-suspend", path: branch, act: open("Suspend") },
    { ...dialog, name: "role-create", path: branch, act: open("Create role") },
    { ...dialog, name: "role-password", path: branch, act: choose(/^Actions for role/, "Show password…") },
    { ...dialog, name: "database-create", path: branch, act: open("Create database") },
    { ...dialog, name: "user-menu", path: keys, act: press(/User menu/) },
    { ...dialog, name: "switcher", path: `/projects/${project_id}`, act: press(/Switch project/) },
    { ...dialog, name: "palette", path: keys, act: openPalette },
  ];
}

async function openPalette(page: Page): Promise<void> {
  await page.keyboard.press("Control+k");
  await page.getByRole("dialog", { name: "Command palette" }).waitFor();
}

const NEW_INSTANCE = {
  version: "0.1.0",
  needs_setup: true,
  sign_up: "invitation",
  pools_connections: false,
  sends_mail: false,
};
const WITH_MAIL = { ...NEW_INSTANCE, needs_setup: false, sends_mail: true };
const FAILURE = {
  request_id: "5c1f9f0e-7e0f-4a51-9f7c-0d7c0b7f2f4e",
  code: "INTERNAL",
  message: "internal error; quote the request_id when you report it",
};

/** Projects that were deleted some days ago. */
function gone(org_id: string) {
  const day_ms = 86_400_000;
  const projects = ["old-shop", "load-test"].map((name, index) => {
    const deleted_ms = Date.now() - (index + 1) * 2.2 * day_ms;
    const [deleted_at, recoverable_until] = [deleted_ms, deleted_ms + 7 * day_ms].map((ms) =>
      new Date(ms).toISOString(),
    );
    return { id: `quiet-river-${index}2345678`, name, org_id, deleted_at, recoverable_until };
  });
  return { projects, applications: {}, integrations: {} };
}

const DIFF = `--- a/neondb
+++ b/neondb
@@ -24,9 +24,11 @@
 
 CREATE TABLE public.orders (
     id integer NOT NULL,
-    total numeric
+    total numeric(12,2) NOT NULL,
+    voucher text
 );
 
+COMMENT ON COLUMN public.orders.voucher IS 'Code that the customer typed, as it was typed; checked against public.vouchers when paid';
 
 ALTER TABLE public.orders OWNER TO neondb_owner;
`;

const BRANCHES = /\/api\/v2\/projects\/[^/]+\/branches$/;

function operations(project_id: string, status: "running" | "failed", branch_id = "br-x") {
  const at = new Date().toISOString();
  const shared = { project_id, branch_id, failures_count: 0, created_at: at, updated_at: at, total_duration_ms: 320 };
  const error = status === "failed" ? { error: "the compute did not start within 30 s" } : {};
  return [
    { ...shared, id: "00000000-0000-4000-8000-000000000002", action: "start_compute", status, ...error },
    { ...shared, id: "00000000-0000-4000-8000-000000000001", action: "create_timeline", status: "finished" },
  ];
}

async function take(browser: Browser, base: string, demo: Demo, shot: Shot, folder: string): Promise<void> {
  for (const [width, viewport] of Object.entries({ wide: WIDE, narrow: NARROW })) {
    for (const colorScheme of ["light", "dark"] as const) {
      const context = await browser.newContext({ viewport, colorScheme, reducedMotion: "reduce" });
      const cookie = shot.as && demo[shot.as].cookie.split("=");
      if (cookie) await context.addCookies([{ name: cookie[0] ?? "", value: cookie.slice(1).join("="), url: base }]);
      const page = await context.newPage();
      page.setDefaultTimeout(10_000);
      await shot.prepare?.(page);
      await page.goto(base + shot.path);
      await page.getByRole("heading", { level: 1 }).waitFor();
      await settle(page);
      await shot.act?.(page);
      await settle(page);
      const path = join(folder, `${shot.name}.${colorScheme}.${width}.png`);
      await page.screenshot({ path, fullPage: !shot.window_only });
      await context.close();
    }
  }
}

/** Waits until nothing is on its way and the fonts are there; a list that never comes must not hold it up. */
async function settle(page: Page): Promise<void> {
  await page.waitForLoadState("networkidle", { timeout: 700 }).catch(() => undefined);
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
}

/** The pages that let a command line in. */
async function oauthShots(server: TestServer): Promise<Shot[]> {
  const device = new URL((await beginDevice(server, { device_name: "build-7" })).verification_uri_complete);
  const device_path = device.pathname + device.search;
  return [
    { name: "oauth-consent", path: `/oauth2/authorize?${authorizationQuery(newVerifier().challenge)}`, as: "admin" },
    { name: "oauth-device", path: device_path, as: "admin" },
    {
      name: "oauth-device-consent",
      path: device_path,
      as: "admin",
      act: async (page) => {
        await press("Go on")(page);
        await page.getByText("build-7").waitFor();
      },
    },
    { name: "oauth-refused", path: "/oauth/consent", as: "admin" },
  ];
}

async function main([folder, only = ""]: string[]): Promise<number> {
  if (folder === undefined) {
    process.stderr.write("usage: node test/browser/screenshots.ts FOLDER [PART-OF-A-NAME]\n");
    return 2;
  }
  await mkdir(folder, { recursive: true });
  await buildConsole();
  const data_dir = await mkdtemp(join(tmpdir(), "latchkey-screenshots-"));
  const server = new TestServer(await freePort(), data_dir, {
    LATCHKEY_SIGN_UP: "open",
    LATCHKEY_PGBOUNCER: await ensurePgBouncer(),
  });
  const browser = await launchChromium();
  try {
    await server.start();
    const demo = await buildDemo(server);
    const wanted = [...shots(demo), ...(await oauthShots(server))].filter(({ name }) => name.includes(only));
    const waiting = [...wanted];
    const work = async () => {
      for (let shot = waiting.shift(); shot; shot = waiting.shift()) {
        const { name } = shot;
        await take(browser, server.url, demo, shot, resolve(folder)).catch((error: Error) =>
          process.stderr.write(`${name}: ${error.message}\n`),
        );
      }
    };
    await Promise.all(Array.from({ length: 4 }, work));
    process.stdout.write(`${wanted.length * 4} screenshots in ${resolve(folder)}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`${server.output}\n`);
    throw error;
  } finally {
    await browser.close();
    await server.stop();
    await rm(data_dir, { recursive: true, force: true });
  }
}

process.exitCode = await main(process.argv.slice(2));
