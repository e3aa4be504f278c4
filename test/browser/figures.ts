import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import { buildConsole } from "../../console/build.ts";
import { freePort, TestServer, waitFor } from "../harness/server.ts";
import { setupTokenOf, signUp } from "../harness/world.ts";
import { launchChromium } from "./chromium.ts";
import { manyKeys } from "./many-keys.ts";

/**
 * `node test/browser/figures.ts`: how large and how quick the Console is, on this machine, now. Ends with 1
 * when the initial JavaScript is over its budget; times are told, not judged.
 */
const BUDGET_KB = 150;
const VISITS = 5;
const MANY = 10_000;

interface Visit {
  readonly first_list_ms: number;
  /** Fetched until the first row was there, and after that, while the page was idle. */
  readonly scripts: readonly string[];
  readonly later_scripts: readonly string[];
  readonly styles: readonly string[];
}

/** A first visit with nothing in the cache, until the list's first row is there. */
async function coldVisit(browser: Browser, server: TestServer, cookie: string): Promise<Visit> {
  const context = await browser.newContext();
  await context.addCookies([cookieOf(cookie, server.url)]);
  const page = await context.newPage();
  const scripts = new Set<string>();
  const styles = new Set<string>();
  page.on("response", (response) => {
    const { pathname } = new URL(response.url());
    if (pathname.endsWith(".js")) scripts.add(pathname);
    if (pathname.endsWith(".css")) styles.add(pathname);
  });
  const began_ms = performance.now();
  await page.goto(`${server.url}/account/api-keys`, { waitUntil: "commit" });
  await page.getByRole("rowheader").first().waitFor();
  const first_list_ms = performance.now() - began_ms;
  const first = [...scripts];
  // Menus come last of what is fetched while the page is idle.
  await waitFor("the menus", () => [...scripts].some((path) => path.includes("menu-parts")));
  await page.waitForLoadState("networkidle");
  await context.close();
  return { first_list_ms, scripts: first, later_scripts: [...scripts].slice(first.length), styles: [...styles] };
}

function cookieOf(header: string, url: string) {
  const at = header.indexOf("=");
  return { name: header.slice(0, at), value: header.slice(at + 1), url };
}

async function gzippedKb(paths: readonly string[]): Promise<number> {
  const dist = join(import.meta.dirname, "../../console/dist");
  const sizes = await Promise.all(paths.map(async (path) => gzipSync(await readFile(join(dist, path))).length));
  return sizes.reduce((sum, size) => sum + size, 0) / 1000;
}

/** Milliseconds between frames while something is done, shortest first. */
async function framesDuring(page: Page, act: () => Promise<void>): Promise<number[]> {
  await page.evaluate(() => {
    const watch = { frames: [] as number[], last: performance.now(), on: true };
    Object.assign(window, { watch });
    const tick = (now: number) => {
      watch.frames.push(now - watch.last);
      watch.last = now;
      if (watch.on) requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  });
  await act();
  const frames = await page.evaluate(() => {
    const { watch } = window as unknown as { watch: { frames: number[]; on: boolean } };
    watch.on = false;
    return watch.frames;
  });
  return frames.sort((a, b) => a - b);
}

const median = (sorted: readonly number[]) => sorted[Math.floor(sorted.length / 2)] ?? 0;
const told = (frames: readonly number[]) =>
  `median ${median(frames).toFixed(1)} ms, worst ${(frames.at(-1) ?? 0).toFixed(0)} ms`;

async function manyRows(browser: Browser, server: TestServer, cookie: string): Promise<string[]> {
  const context = await browser.newContext();
  await context.addCookies([cookieOf(cookie, server.url)]);
  const page = await context.newPage();
  const json = manyKeys(MANY, { id: "00000000-0000-4000-8000-000000000001", name: "Ada" });
  await page.route(/\/api\/v2\/api_keys$/, (route) => route.fulfill({ json }));
  await page.goto(`${server.url}/account/api-keys`);
  await page.getByText("10,000 in all").waitFor();
  const step = () => page.evaluate(() => new Promise(requestAnimationFrame));
  const scroll = await framesDuring(page, async () => {
    for (let turn = 0; turn < 60; turn++) {
      await page.mouse.wheel(0, 400);
      await step();
    }
  });
  await page.keyboard.press("Home");
  const search = await framesDuring(page, async () => {
    await page.getByRole("searchbox").pressSequentially("deploy", { delay: 60 });
    await page.getByText("2,000 of 10,000").waitFor();
  });
  await page.getByRole("searchbox").fill("");
  const sort = await framesDuring(page, async () => {
    await page.getByRole("button", { name: "Name" }).click();
    await page.getByRole("rowheader", { name: "backup-00003" }).waitFor();
  });
  await context.close();
  return [
    `${MANY} keys, scrolling   ${told(scroll)}`,
    `${MANY} keys, searching   ${told(search)}`,
    `${MANY} keys, sorting     ${told(sort)}`,
  ];
}

async function main(): Promise<number> {
  await buildConsole();
  const data_dir = await mkdtemp(join(tmpdir(), "latchkey-figures-"));
  const server = new TestServer(await freePort(), data_dir, {});
  const browser = await launchChromium();
  try {
    await server.start();
    const { cookie } = await signUp(server, "Ada", { setup_token: setupTokenOf(server) });
    const visits: Visit[] = [];
    for (let turn = 0; turn < VISITS; turn++) visits.push(await coldVisit(browser, server, cookie));
    const initial_kb = await gzippedKb(visits[0]?.scripts ?? []);
    const later_kb = await gzippedKb(visits[0]?.later_scripts ?? []);
    const styles_kb = await gzippedKb(visits[0]?.styles ?? []);
    const lists = visits.map(({ first_list_ms }) => first_list_ms).sort((a, b) => a - b);
    const lines = [
      `initial JavaScript      ${initial_kb.toFixed(1)} kB gzipped, of ${BUDGET_KB}: until the first list is there`,
      `later JavaScript        ${later_kb.toFixed(1)} kB gzipped: menus, dialogs and forms, while the page is idle`,
      `style sheet             ${styles_kb.toFixed(1)} kB gzipped`,
      `first list, cold cache  median ${median(lists).toFixed(0)} ms, worst ${(lists.at(-1) ?? 0).toFixed(0)} ms of ${VISITS}`,
      ...(await manyRows(browser, server, cookie)),
    ];
    process.stdout.write(`${lines.join("\n")}\n`);
    return initial_kb > BUDGET_KB ? 1 : 0;
  } finally {
    await browser.close();
    await server.stop();
    await rm(data_dir, { recursive: true, force: true });
  }
}

process.exitCode = await main();
