import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import type { Page } from "playwright-core";
import { launchProfile } from "./chromium.ts";
import { heapHolds, placesThatHold, trafficThatHolds } from "./secrets-in-page.ts";
import { buildSite } from "./site.ts";
import { startStage } from "./visit.ts";

/**
 * What is shown once, attacked: every kind of key, left in every way, looked for in every place that a browser
 * keeps anything in. With the back-forward cache on, which the driver of the browser turns off unless told.
 */
const stage = await startStage(
  { after },
  { LATCHKEY_SIGN_UP: "open" },
  { ignoreDefaultArgs: ["--disable-back-forward-cache"] },
);
const { server } = stage;
const site = await buildSite(server);
const organization_keys = `/organizations/${site.org_id}/settings/api-keys`;

interface Kind {
  readonly kind: string;
  readonly path: string;
  readonly token: RegExp;
  readonly choose: (page: Page) => Promise<unknown>;
}

const KINDS: readonly Kind[] = [
  { kind: "personal", path: "/account/api-keys", token: /lk_user_\w{49}/, choose: async () => {} },
  { kind: "organization", path: organization_keys, token: /lk_org_\w{49}/, choose: async () => {} },
  {
    kind: "project-scoped",
    path: organization_keys,
    token: /lk_proj_\w{49}/,
    choose: async (page) => {
      await page.getByLabel("One project").check();
      await page.getByLabel("Project", { exact: true }).selectOption(site.project_id);
    },
  },
];

const shownKey = (page: Page) => page.getByRole("dialog", { name: "Copy your key now" });

/** Makes a key of that kind by hand; comes to its token, which is shown then. */
async function showKey(page: Page, { path, token, choose }: Kind, name: string): Promise<string> {
  await page.goto(server.url + path);
  await page.getByRole("button", { name: "Create new API key" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill(name);
  await choose(page);
  await page.getByRole("button", { name: "Create", exact: true }).click();
  return await secretIn(page, token, shownKey(page));
}

async function secretIn(page: Page, form: RegExp, shown = page.getByRole("dialog")): Promise<string> {
  await shown.getByText(form).first().waitFor();
  const secret = form.exec((await shown.textContent()) ?? "")?.[0];
  assert.ok(secret);
  return secret;
}

const WAYS: readonly { readonly way: string; readonly leave: (page: Page) => Promise<unknown> }[] = [
  {
    way: "Done",
    leave: async (page) => {
      await page.getByLabel("I have stored it in a safe place").check();
      await page.getByRole("button", { name: "Done" }).click();
    },
  },
  {
    way: "Leave without it",
    leave: async (page) => {
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Leave without it" }).click();
    },
  },
  {
    way: "a reload",
    leave: async (page) => {
      page.once("dialog", (dialog) => void dialog.accept());
      await page.reload();
    },
  },
];

for (const kind of KINDS) {
  for (const { way, leave } of WAYS) {
    test(`the token of a ${kind.kind} key is nowhere after ${way}`, async () => {
      const { page, context, requests } = await stage.visit({ cookie: site.admin.cookie });
      const name = `${kind.kind} ${way}`;
      const token = await showKey(page, kind, name);
      // The ways of looking do find it while it is shown; else they would prove nothing.
      assert.deepEqual(await placesThatHold(page, token), ["document"]);
      if (kind === KINDS[0] && way === "Done") assert.equal(await heapHolds(page, token), true);
      const later = requests.length;
      await leave(page);
      await shownKey(page).waitFor({ state: "detached" });
      await page.getByRole("rowheader", { name }).waitFor();
      assert.deepEqual(await placesThatHold(page, token), []);
      // Go on as a person would, so that what was kept for a next time shows itself.
      await page.getByRole("link", { name: kind.kind === "personal" ? "Sessions" : "Members" }).click();
      await page.getByRole("table").first().waitFor();
      await page.goBack();
      await page.getByRole("rowheader", { name }).waitFor();
      assert.deepEqual(await placesThatHold(page, token), []);
      assert.equal(await heapHolds(page, token), false, "the memory of the page holds the token");
      assert.deepEqual(await trafficThatHolds(requests.slice(later), token), []);
      assert.ok(!server.output.includes(token), "the server's log holds the token");
      await context.close();
    });
  }
}

interface Secret {
  readonly what: string;
  /** Shows it, and comes to it. */
  readonly show: (page: Page) => Promise<string>;
  /** What a person reads who comes back to the page. */
  readonly read: string;
}

const SECRETS: readonly Secret[] = [
  {
    what: "a key's token",
    show: async (page) => await showKey(page, KINDS[0] as Kind, "frozen"),
    read: "The key exists, and its token is gone",
  },
  {
    what: "an invitation's link",
    show: async (page) => {
      await page.goto(`${server.url}/organizations/${site.org_id}/members`);
      await page.getByRole("button", { name: "Invite a person" }).click();
      await page.getByLabel("E-mail").fill("frozen@example.com");
      await page.getByRole("button", { name: "Invite", exact: true }).click();
      return await secretIn(page, /lk_invitation_[\w-]{43}/);
    },
    read: "The invitation exists, and its link is gone",
  },
  {
    what: "a role's password",
    show: async (page) => {
      await page.goto(`${server.url}/projects/${site.project_id}/branches/${site.branch_id}`);
      await page.getByRole("button", { name: /^Actions for role/ }).click();
      await page.getByRole("menuitem", { name: "Show password…" }).click();
      const shown = page.getByRole("dialog");
      await shown.getByRole("button", { name: "Show", exact: true }).click();
      await shown.getByRole("button", { name: "Hide", exact: true }).waitFor();
      const password = await shown.locator("code").textContent();
      assert.ok(password && password.length > 10);
      return password;
    },
    read: "••••",
  },
];

for (const { what, show, read } of SECRETS) {
  test(`${what} is out of a page that the browser froze, and the page says so when it comes back`, async () => {
    const { page, context } = await stage.visit({ cookie: site.admin.cookie });
    await context.addInitScript(() => {
      window.addEventListener("pageshow", ({ persisted }) => Object.assign(window, { persisted }));
    });
    const secret = await show(page);
    assert.deepEqual(await placesThatHold(page, secret), ["document"]);
    page.on("dialog", (dialog) => void dialog.accept());
    await page.goto(`${server.url}/docs`);
    await page.goBack({ waitUntil: "commit" });
    await page.getByText(read).first().waitFor();
    // The very page, not a new one from the same address.
    assert.equal(await page.evaluate(() => (window as unknown as { persisted: boolean }).persisted), true);
    assert.deepEqual(await placesThatHold(page, secret), []);
    assert.equal(await heapHolds(page, secret), false, "the memory of the page holds it");
    await context.close();
  });
}

test("a new invitation's link is asked about before it is left, and Done leaves it", async () => {
  const { page, context } = await stage.visit({ cookie: site.admin.cookie });
  const link = await (SECRETS[1] as Secret).show(page);
  const asked = page.getByRole("alertdialog", { name: "Leave without the link?" });
  const ways: (() => Promise<unknown>)[] = [
    () => page.keyboard.press("Escape"),
    () => page.getByRole("dialog").getByRole("button", { name: "Close" }).click(),
    () => page.mouse.click(5, 400),
  ];
  for (const leave of ways) {
    await leave();
    await asked.waitFor();
    await page.getByRole("button", { name: "Back to the link" }).click();
    await asked.waitFor({ state: "detached" });
    await page.getByRole("dialog").getByText(link).waitFor();
  }
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.deepEqual(await placesThatHold(page, link), []);
  await context.close();
});

test("a browser with a profile has written the token to none of its files", async () => {
  const profile = await mkdtemp(join(tmpdir(), "latchkey-profile-"));
  const context = await launchProfile(profile);
  after(async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  });
  const at = site.admin.cookie.indexOf("=");
  await context.addCookies([
    { name: site.admin.cookie.slice(0, at), value: site.admin.cookie.slice(at + 1), url: server.url },
  ]);
  const page = await context.newPage();
  const token = await showKey(page, KINDS[0] as Kind, "on disk");
  await page.getByLabel("I have stored it in a safe place").check();
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("rowheader", { name: "on disk" }).waitFor();
  await page.getByRole("link", { name: "Sessions" }).click();
  await page.getByText("this one").waitFor();
  await context.close();

  const files = await readdir(profile, { recursive: true, withFileTypes: true });
  const holding = async (text: string) => {
    const found: string[] = [];
    for (const file of files.filter((one) => one.isFile())) {
      const content = await readFile(join(file.parentPath, file.name));
      if (content.includes(text) || content.includes(Buffer.from(text, "utf16le"))) found.push(file.name);
    }
    return found;
  };
  // The way of looking does find what the browser keeps of a visit.
  assert.notDeepEqual(await holding(`${server.url}/account/api-keys`), []);
  assert.deepEqual(await holding(token), []);
});
