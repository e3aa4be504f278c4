import { type Browser, type BrowserContext, chromium, type LaunchOptions } from "playwright-core";
import { ensureProgram } from "../harness/system-packages.ts";

/**
 * A real Chromium for the browser tests: the system's own, driven by playwright-core, which downloads
 * nothing. `CHROMIUM_PATH` names another one.
 */

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

export async function launchChromium(options: LaunchOptions = {}): Promise<Browser> {
  return await chromium.launch({ ...options, executablePath: await findChromium(), args: ARGUMENTS });
}

/** One with a profile on disk, as a person's browser has. */
export async function launchProfile(directory: string): Promise<BrowserContext> {
  return await chromium.launchPersistentContext(directory, { executablePath: await findChromium(), args: ARGUMENTS });
}

async function findChromium(): Promise<string> {
  return (
    process.env.CHROMIUM_PATH ?? (await ensureProgram(["chromium", "chromium-browser", "google-chrome"], "chromium"))
  );
}
