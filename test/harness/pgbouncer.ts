import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { access, chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { findAccount } from "../../server/postgres/account.ts";
import { findPgBouncer } from "../../server/postgres/pgbouncer.ts";
import { ensureProgram } from "./system-packages.ts";

/**
 * A PgBouncer that is new enough for pooled connections. Debian 12 and Ubuntu 22.04 have older ones; there the next
 * Debian's own source is built once, and kept where every account can run it. Without that the test fails and says
 * what to install.
 */
const execute = promisify(execFile);
const KEPT = "/usr/local/lib/latchkey-test/pgbouncer";
const NEXT_DEBIAN = "trixie";
const DEADLINE_MS = 5 * 60_000;
const RETRY_MS = 3_000;

/** The program's path. */
export async function ensurePgBouncer(): Promise<string> {
  const found = (await usable(undefined)) ?? (await usable(KEPT));
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0)
    throw new Error("PgBouncer 1.21 or later is needed: install it (apt-get install pgbouncer)");
  await ensureProgram(["pgbouncer"], "pgbouncer");
  const installed = await usable(undefined);
  if (installed !== undefined) return installed;
  return await alone(async () => (await usable(KEPT)) ?? (await build()));
}

/** Test files run beside one another: one of them builds, and the others find what it has made. */
async function alone<T>(act: () => Promise<T>): Promise<T> {
  await mkdir(dirname(KEPT), { recursive: true });
  // Held until its standard input ends, which it does when this process ends, too.
  const lock = spawn("flock", [`${KEPT}.lock`, "sh", "-c", "echo held; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    await once(lock.stdout, "data", { signal: AbortSignal.timeout(2 * DEADLINE_MS) });
    return await act();
  } finally {
    const ended = once(lock, "exit");
    lock.stdin.end();
    await ended;
  }
}

async function usable(program: string | undefined): Promise<string | undefined> {
  return await findPgBouncer(program, findAccount()).then(
    (found) => found?.program,
    () => undefined,
  );
}

/** Returns the path of what it has built. */
async function build(): Promise<string> {
  for (const [program, package_name] of [
    ["make", "make"],
    ["gcc", "gcc"],
    ["pkg-config", "pkg-config"],
    ["dpkg-source", "dpkg-dev"],
  ] as const) {
    await ensureProgram([program], package_name);
  }
  const folder = await mkdtemp(join(tmpdir(), "latchkey-pgbouncer-"));
  const at = (name: string) => join(folder, name);
  const run = (program: string, args: string[], cwd = folder) =>
    execute(program, args, {
      cwd,
      timeout: DEADLINE_MS,
      maxBuffer: 2 ** 26,
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", APT_CONFIG: at("apt.conf") },
    });
  try {
    const dev = ["install", "--yes", "--no-install-recommends", "libevent-dev", "libssl-dev"];
    // Others install packages, too.
    await writeFile(at("apt.conf"), 'DPkg::Lock::Timeout "300";\n');
    await retry(() => run("apt-get", dev));
    // Its package index in folders of our own: the machine's stays as it is.
    await mkdir(at("lists/partial"), { recursive: true });
    await mkdir(at("cache/archives/partial"), { recursive: true });
    await writeFile(at("next.sources"), await nextSources());
    await writeFile(
      at("apt.conf"),
      `Dir::Etc::SourceList "${at("next.sources")}";
Dir::Etc::SourceParts "/nonexistent";
Dir::State::Lists "${at("lists")}";
Dir::Cache "${at("cache")}";
APT::Sandbox::User "root";
`,
    );
    await retry(() => run("apt-get", ["update"]));
    await retry(() => run("apt-get", ["source", "pgbouncer"]));
    const source = (await readdir(folder)).find((name) => /^pgbouncer-[\d.]+$/.test(name));
    if (source === undefined) throw new Error("the source package of PgBouncer has no folder");
    await run("./configure", ["--without-cares", "--without-pam", "--without-systemd"], at(source));
    await run("make", ["-j2", "pgbouncer"], at(source));
    const aside = `${KEPT}.${process.pid}`;
    await copyFile(join(at(source), "pgbouncer"), aside);
    await chmod(aside, 0o755);
    await rename(aside, KEPT);
    return KEPT;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A download may fail once, and one who holds apt's locks lets them go. */
async function retry(act: () => Promise<unknown>): Promise<void> {
  for (let left = 5; ; left--) {
    try {
      await act();
      return;
    } catch (error) {
      if (left === 0) throw error;
      await delay(RETRY_MS);
    }
  }
}

/** Where this machine gets its packages from, for the next release's sources. */
async function nextSources(): Promise<string> {
  const { VERSION_CODENAME: present = "" } = Object.fromEntries(
    (await readFile("/etc/os-release", "utf8")).split("\n").map((line) => line.split("=") as [string, string]),
  );
  const file = "/etc/apt/sources.list.d/debian.sources";
  await access(file).catch(() => {
    throw new Error("PgBouncer 1.21 or later is needed, and cannot be built here: this is no Debian");
  });
  return (await readFile(file, "utf8"))
    .replace(/^Types:.*$/gm, "Types: deb-src")
    .replace(new RegExp(`\\b${present}-updates\\b`, "g"), "")
    .replace(new RegExp(`\\b${present}\\b`, "g"), NEXT_DEBIAN);
}
