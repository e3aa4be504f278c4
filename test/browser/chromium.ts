import { type Browser, chromium } from "playwright-core";
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

export async function launchChromium(): Promise<Browser> {
  return await chromium.launch({ executablePath: await findChromium(), args: ARGUMENTS });
}

async function findChromium(): Promise<string> {
  return (
    process.env.CHROMIUM_PATH ?? (await ensureProgram(["chromium", "chromium-browser", "google-chrome"], "chromium"))
  );
}
