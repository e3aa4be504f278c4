import assert from "node:assert/strict";
import type { Browser, BrowserContext, BrowserContextOptions, LaunchOptions, Page, Request } from "playwright-core";
import { buildConsole } from "../../console/build.ts";
import { type AtEnd, startServer, type TestServer } from "../harness/server.ts";
import { launchChromium } from "./chromium.ts";

/**
 * A real browser in front of a real server with the Console as it would be shipped. Every page that is
 * opened here is watched: whatever it logs as an error, whatever the content security policy stops and
 * whatever it asks of another host fails the test.
 */
export interface Stage {
  readonly server: TestServer;
  readonly browser: Browser;
  /** A browser of its own: no cookie, no storage, no cache. */
  visit(options?: VisitOptions): Promise<Visit>;
}

export interface VisitOptions extends BrowserContextOptions {
  /** A `Cookie` header: signed in from the start. */
  readonly cookie?: string;
  /** Console errors that this visit provokes on purpose, such as the browser's report of a 403. */
  readonly expected?: RegExp;
}

export interface Visit {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Every request that the page has made. */
  readonly requests: readonly Request[];
  /** What went wrong unseen; empty at the end of a good visit. */
  readonly problems: readonly string[];
}

export const WIDE = { width: 1280, height: 800 };
export const NARROW = { width: 375, height: 740 };
/** Long enough for a machine that runs everything else at the same time; what is quick is measured by figures.ts. */
const ACTION_DEADLINE_MS = 60_000;

export async function startStage(
  t: AtEnd,
  env: Record<string, string> = {},
  launch: LaunchOptions = {},
): Promise<Stage> {
  await buildConsole();
  const browser = await launchChromium(launch);
  const visits: Visit[] = [];
  // Before the server's own end: a page that is still open would complain that nobody answers.
  t.after(() => browser.close());
  const server = await startServer(t, env);
  // Last: a hook that fails keeps those after it from running.
  t.after(() => {
    const problems = visits.flatMap((visit) => visit.problems);
    assert.deepEqual(problems, []);
  });
  return {
    server,
    browser,
    visit: async ({ cookie, expected, ...options } = {}) => {
      const context = await browser.newContext({ viewport: WIDE, reducedMotion: "reduce", ...options });
      if (cookie !== undefined) await context.addCookies(parseCookies(cookie, server.url));
      const page = await context.newPage();
      page.setDefaultTimeout(ACTION_DEADLINE_MS);
      const visit = { page, context, ...watch(page, server.url, expected) };
      visits.push(visit);
      return visit;
    },
  };
}

/** A `Cookie` header as the browser keeps it. */
export function parseCookies(header: string, url: string) {
  return header.split("; ").map((pair) => {
    const at = pair.indexOf("=");
    return { name: pair.slice(0, at), value: pair.slice(at + 1), url };
  });
}

function watch(page: Page, own: string, expected: RegExp | undefined) {
  const requests: Request[] = [];
  const problems: string[] = [];
  page.on("console", (message) => {
    if (message.type() !== "error" && message.type() !== "warning") return;
    const text = `${message.text()} ${message.location().url}`;
    if (!expected?.test(text)) problems.push(`console: ${text} at ${page.url()}`);
  });
  page.on("pageerror", (error) => problems.push(`uncaught: ${error.stack ?? error.message}`));
  page.on("request", (request) => {
    requests.push(request);
    if (!request.url().startsWith(`${own}/`) && !request.url().startsWith("data:")) {
      problems.push(`a request to another host: ${request.url()}`);
    }
  });
  return { requests, problems };
}
