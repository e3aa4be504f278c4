import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { baseEnvironment, freePort, waitFor } from "../harness/server.ts";

/** What a newcomer goes through between `npm start` and a key in the clipboard. */
export interface NewcomersPath {
  readonly until_link_ms: number;
  readonly until_copied_ms: number;
  /** Presses of the mouse, as the browser saw them, and forms that were sent. */
  readonly clicks: number;
  readonly forms: number;
}

const ROOT = join(import.meta.dirname, "../..");
const LINK = /http:\S+\/setup#\S+/;
/** Of a machine that is starved; it takes some seconds. */
const LINK_DEADLINE_MS = 300_000;

/** Starts Latchkey as the README says, with a data directory in which there is nothing yet. */
export async function walkNewcomersPath(browser: Browser): Promise<NewcomersPath> {
  const data_dir = await mkdtemp(join(tmpdir(), "latchkey-newcomer-"));
  const began_ms = performance.now();
  const child = spawn("npm", ["start"], {
    cwd: ROOT,
    env: {
      ...baseEnvironment(),
      LATCHKEY_PORT: String(await freePort()),
      LATCHKEY_PG_PORT: "0",
      LATCHKEY_DATA_DIR: data_dir,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  try {
    const link = await printedLink(child);
    const until_link_ms = performance.now() - began_ms;
    const counted = await copyFirstKey(browser, link);
    return { until_link_ms, until_copied_ms: performance.now() - began_ms, ...counted };
  } finally {
    const closed = once(child, "close");
    child.kill("SIGTERM");
    await closed;
    await rm(data_dir, { recursive: true, force: true });
  }
}

async function printedLink(child: ChildProcess): Promise<string> {
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      output += chunk;
    });
  }
  const has_link = () => {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    return LINK.test(output);
  };
  await waitFor("the link that the server prints", has_link, LINK_DEADLINE_MS).catch((error: Error) => {
    throw new Error(`npm start: ${error.message}; it said:\n${output}`);
  });
  return LINK.exec(output)?.[0] ?? "";
}

async function copyFirstKey(browser: Browser, link: string): Promise<{ clicks: number; forms: number }> {
  const context = await browser.newContext({ permissions: ["clipboard-read", "clipboard-write"] });
  const page = await context.newPage();
  const counted = { clicks: 0, forms: 0 };
  await page.exposeFunction("countForNewcomer", (what: "clicks" | "forms") => {
    counted[what] += 1;
  });
  await page.addInitScript(countEvents);
  await page.goto(link);
  await page.getByLabel("Name").fill("Ada Lovelace");
  await page.getByLabel("E-mail").fill("ada@example.com");
  await page.getByLabel("Password", { exact: true }).fill("correct horse battery staple");
  await press(page, "button", "Create account");
  await press(page, "link", "Create API key");
  await page.getByRole("dialog", { name: "Create API key" }).getByLabel("Name").fill("laptop");
  await press(page, "button", "Create");
  await press(page, "button", "Copy token");
  await waitFor("the key in the clipboard", async () =>
    /^lk_user_\w{49}$/.test(await page.evaluate(() => navigator.clipboard.readText())),
  );
  await context.close();
  if (counted.clicks === 0 || counted.forms === 0) throw new Error("what the newcomer does was not seen");
  return counted;
}

const press = (page: Page, role: "button" | "link", name: string) =>
  page.getByRole(role, { name, exact: true }).click();

/** Runs in the page: whatever a person does there is seen, whether this path knows of it or not. */
function countEvents(): void {
  const { countForNewcomer } = window as unknown as { countForNewcomer: (what: "clicks" | "forms") => void };
  for (const [event, what] of [
    ["pointerdown", "clicks"],
    ["submit", "forms"],
  ] as const) {
    window.addEventListener(event, () => countForNewcomer(what), true);
  }
}
