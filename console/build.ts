import { createHash } from "node:crypto";
import { glob, mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/**
 * Builds the Console when what it is built from has changed: `node console/build.ts`. The build carries a
 * digest of its inputs; the same digest means that there is nothing to do, which takes a few milliseconds.
 * Several processes may ask at once (tests do): one builds, the others wait.
 */
const CONSOLE = import.meta.dirname;
const ROOT = dirname(CONSOLE);
const DIST = join(CONSOLE, "dist");
const DIGEST = join(DIST, ".inputs");
const LOCK = join(CONSOLE, "node_modules/.build-lock");
const INPUTS = [
  "console/{src,public}/**/*",
  "console/*.{ts,html,json}",
  "contract/*.ts",
  "sdk/*.ts",
  "package-lock.json",
];
const WAIT_DEADLINE_MS = 120_000;

/** Makes sure that `console/dist` is what the sources say. Returns whether it had to be built. */
export async function buildConsole(): Promise<boolean> {
  const wanted = await digestOfInputs();
  if ((await digestOfBuild()) === wanted) return false;
  await using _lock = await lock();
  if ((await digestOfBuild()) === wanted) return false;
  const fresh = join(CONSOLE, "node_modules/.dist");
  // Loaded only now: every start of the server asks, and mostly there is nothing to build.
  const { build } = await import("vite");
  await build({
    root: CONSOLE,
    configFile: join(CONSOLE, "vite.config.ts"),
    logLevel: "warn",
    build: { outDir: fresh, emptyOutDir: true },
  });
  await writeFile(join(fresh, ".inputs"), wanted);
  // Swapped in whole: a server that starts meanwhile finds a build or none, never half of one.
  await rm(DIST, { recursive: true, force: true });
  await rename(fresh, DIST);
  return true;
}

async function digestOfInputs(): Promise<string> {
  const files: string[] = [];
  for await (const file of glob(INPUTS, { cwd: ROOT })) {
    if ((await stat(join(ROOT, file))).isFile()) files.push(file);
  }
  const digest = createHash("sha256");
  for (const file of files.sort()) digest.update(`${file}\0`).update(await readFile(join(ROOT, file)));
  return digest.digest("hex");
}

async function digestOfBuild(): Promise<string | undefined> {
  return await readFile(DIGEST, "utf8").catch(() => undefined);
}

/** Held by one process at a time; one that died with it is passed over. */
async function lock(): Promise<AsyncDisposable> {
  await mkdir(dirname(LOCK), { recursive: true });
  const deadline = performance.now() + WAIT_DEADLINE_MS;
  while (performance.now() < deadline) {
    const file = await open(LOCK, "wx").catch(() => undefined);
    if (file) {
      await file.write(String(process.pid));
      await file.close();
      return { [Symbol.asyncDispose]: async () => await rm(LOCK, { force: true }) };
    }
    const holder = Number(await readFile(LOCK, "utf8").catch(() => ""));
    if (holder > 0 && !isRunning(holder)) await rm(LOCK, { force: true });
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`another build of the Console does not end; remove ${LOCK} if there is none`);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

if (import.meta.main) {
  const began_ms = performance.now();
  const built = await buildConsole();
  const took_ms = Math.round(performance.now() - began_ms);
  process.stdout.write(`${built ? `the Console was built in ${took_ms} ms` : "the Console is up to date"}\n`);
}
