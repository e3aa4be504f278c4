import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Browser } from "playwright-core";
import { buildConsole } from "../../console/build.ts";
import { ensurePgBouncer } from "../harness/pgbouncer.ts";
import { freePort, TestServer } from "../harness/server.ts";
import { overflow, violationsInBothThemes } from "./axe.ts";
import { launchChromium } from "./chromium.ts";
import { buildDemo, type Demo } from "./demo.ts";
import { type PageState, show } from "./page-states/state.ts";
import { pageStates } from "./page-states.ts";
import { NARROW, parseCookies, WIDE } from "./visit.ts";

/**
 * `npm run screenshots -- FOLDER [PART-OF-A-NAME…]`: every page of the Console in its states, light and dark, wide and
 * narrow, as `page.theme.width.png`. They are for looking at; axe looks at each state too, in both themes. Ends with 1 when
 * a state could not be reached, is wider than a narrow screen, or violates a rule of accessibility.
 */
const DEADLINE_MS = 30_000;
const AT_ONCE = 3;

interface Taken {
  readonly pictures: number;
  readonly violations: readonly string[];
}

async function take(browser: Browser, base: string, demo: Demo, state: PageState, folder: string): Promise<Taken> {
  let pictures = 0;
  const violations: string[] = [];
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
        pictures += 1;
      }
      if (viewport === WIDE) violations.push(...(await violationsInBothThemes(page)));
      const overflow_px = await overflow(page);
      if (overflow_px > 0) violations.push(`${width}: ${overflow_px} px too wide`);
    } finally {
      await context.close();
    }
  }
  return { pictures, violations };
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
    const problems: string[] = [];
    let taken = 0;
    const work = async () => {
      for (let state = waiting.shift(); state; state = waiting.shift()) {
        const { name } = state;
        await take(browser, server.url, demo, state, resolve(folder)).then(
          ({ pictures, violations }) => {
            taken += pictures;
            problems.push(...violations.map((line) => `${name}: ${line}`));
          },
          (error: Error) => problems.push(`${name}: not taken: ${error.message.split("\n")[0]}`),
        );
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    process.stdout.write(`${taken} screenshots in ${resolve(folder)}\n`);
    for (const line of problems) process.stderr.write(`${line}\n`);
    if (taken === 0) process.stderr.write(`no state is called like ${parts.join(" or ")}\n`);
    return problems.length > 0 || taken === 0 ? 1 : 0;
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
