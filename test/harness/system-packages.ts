import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

/**
 * Programs of the system that tests drive: psql, PgBouncer, Chromium. What is missing is installed from the
 * distribution where that is possible, and otherwise the test fails and says what to install; it never passes
 * without.
 */
const run = promisify(execFile);
const INSTALL_DEADLINE_MS = 5 * 60_000;
const RETRY_MS = 2_000;

/** The path of the first of some programs that is there, after the package that has it was installed if need be. */
export async function ensureProgram(names: readonly string[], debian_package: string): Promise<string> {
  const found = await find(names);
  if (found !== undefined) return found;
  if (process.getuid?.() === 0 && (await find(["apt-get"])) !== undefined) {
    const deadline_ms = performance.now() + INSTALL_DEADLINE_MS;
    // Test files run beside one another, and apt lets one in at a time: whoever is turned away comes again.
    while (performance.now() < deadline_ms) {
      await install(debian_package).catch(() => {});
      const installed = await find(names);
      if (installed !== undefined) return installed;
      await delay(RETRY_MS);
    }
  }
  throw new Error(`${names[0]} is needed: install the package ${debian_package} (apt-get install ${debian_package})`);
}

async function install(debian_package: string): Promise<void> {
  // Runlevel 1 keeps a package's service from being started, which would be a process that nobody ends.
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  const options = { timeout: INSTALL_DEADLINE_MS, env };
  await run("apt-get", ["update"], options);
  await run("apt-get", ["install", "--yes", "--no-install-recommends", debian_package], options);
}

async function find(names: readonly string[]): Promise<string | undefined> {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/bin", "/usr/sbin"];
  for (const name of names) {
    for (const folder of folders) {
      const path = join(folder, name);
      if (
        await access(path, constants.X_OK).then(
          () => true,
          () => false,
        )
      )
        return path;
    }
  }
  return undefined;
}
