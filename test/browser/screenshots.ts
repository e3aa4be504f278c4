import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Browser } from "playwright-core";
import { buildConsole } from "../../console/build.ts";
import { ensurePgBouncer } from "../harness/pgbouncer.ts";
import { freePort, TestServer } from "../harness/server.ts";
import { launchChromium } from "./chromium.ts";
import { buildDemo, type Demo } from "./demo.ts";
import { type PageState, show } from "./page-states/state.ts";
import { pageStates } from "./page-states.ts";
import { NARROW, parseCookies, WIDE } from "./visit.ts";

/**
 * `npm run screenshots -- FOLDER [PART-OF-A-NAME…]`: every page of the Console in its states, light and dark, wide and
 * narrow, as `page.theme.width.png`. They are for looking at. Ends with 1 when a state could not be reached.
 */
const DEADLINE_MS = 30_000;
const AT_ONCE = 3;

async function take(browser: Browser, base: string, demo: Demo, state: PageState, folder: string): Promise<number> {
  let taken = 0;
  for (const [width, viewport] of Object.entries({ wide: WIDE, narrow: NARROW })) {
    const context = await browser.newContext({ viewport, reducedMotion: "reduce" });
    try {
      if (state.as) await context.addCookies(parseCookies(demo[state.as].cookie, base));
      const page = await context.newPage();
      page.setDefaultTimeout(DEADLINE_MS);
      await show(page, base, state);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        const path = join(folder, `${state.name}.${colorScheme}.${width}.png`);
        await page.screenshot({ path, fullPage: !state.window_only });
        taken += 1;
      }
    } finally {
      await context.close();
    }
  }
  return taken;
}

async function main([folder, ...parts]: string[]): Promise<number> {
  if (folder === undefined) {
    process.stderr.write("usage: npm run screenshots -- FOLDER [PART-OF-A-NAME…]\n");
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
    const isWanted = ({ name }: PageState) => parts.length === 0 || parts.some((part) => name.includes(part));
    const waiting = pageStates(server, demo).filter(isWanted);
    const failed: string[] = [];
    let taken = 0;
    const work = async () => {
      for (let state = waiting.shift(); state; state = waiting.shift()) {
        const { name } = state;
        await take(browser, server.url, demo, state, resolve(folder)).then(
          (count) => {
            taken += count;
          },
          (error: Error) => failed.push(`${name}: ${error.message}`),
        );
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    process.stdout.write(`${taken} screenshots in ${resolve(folder)}\n`);
    for (const line of failed) process.stderr.write(`not taken: ${line}\n`);
    if (taken === 0) process.stderr.write(`no state is called like ${parts.join(" or ")}\n`);
    return failed.length > 0 || taken === 0 ? 1 : 0;
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
