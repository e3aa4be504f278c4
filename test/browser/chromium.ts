import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { type Browser, chromium } from "playwright-core";

/**
 * A real Chromium for the browser tests: the system's own, driven by playwright-core, which downloads
 * nothing. Where it is missing it is installed from Debian's archive, or the test says what to install.
 */
const run = promisify(execFile);
const CANDIDATES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const INSTALL_DEADLINE_MS = 300_000;

/** No request of the browser's own: what is on the wire is the Console's. */
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--disable-gpu",
  "--disable-quic",
];

export async function launchChromium(): Promise<Browser> {
  return await chromium.launch({ executablePath: await findChromium(), args: ARGUMENTS });
}

async function findChromium(): Promise<string> {
  const named = process.env.CHROMIUM_PATH;
  if (named !== undefined) return named;
  const found = CANDIDATES.find(existsSync);
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) {
    throw new Error(
      "the browser tests need Chromium: install it (Debian: apt-get install chromium) or set CHROMIUM_PATH",
    );
  }
  const options = { timeout: INSTALL_DEADLINE_MS, env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } };
  await run("apt-get", ["update"], options);
  await run("apt-get", ["install", "--yes", "--no-install-recommends", "chromium"], options);
  const installed = CANDIDATES.find(existsSync);
  if (installed === undefined) throw new Error("apt-get installed chromium, but it is not in /usr/bin");
  return installed;
}
