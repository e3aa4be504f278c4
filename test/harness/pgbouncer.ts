import { execFile } from "node:child_process";
import { access, chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

/** The program's path. */
export async function ensurePgBouncer(): Promise<string> {
  const found = (await usable(undefined)) ?? (await usable(KEPT));
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0)
    throw new Error("PgBouncer 1.21 or later is needed: install it (apt-get install pgbouncer)");
  await ensureProgram(["pgbouncer"], "pgbouncer");
  const installed = await usable(undefined);
  if (installed !== undefined) return installed;
  await build();
  return KEPT;
}

async function usable(program: string | undefined): Promise<string | undefined> {
  return await findPgBouncer(program, findAccount()).then(
    (found) => found?.program,
    () => undefined,
  );
}

async function build(): Promise<void> {
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
    await writeFile(at("apt.conf"), "");
    await run("apt-get", dev);
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
    await run("apt-get", ["update"]);
    await run("apt-get", ["source", "pgbouncer"]);
    const source = (await readdir(folder)).find((name) => /^pgbouncer-[\d.]+$/.test(name));
    if (source === undefined) throw new Error("the source package of PgBouncer has no folder");
    await run("./configure", ["--without-cares", "--without-pam", "--without-systemd"], at(source));
    await run("make", ["-j2", "pgbouncer"], at(source));
    await mkdir(join(KEPT, ".."), { recursive: true });
    const aside = `${KEPT}.${process.pid}`;
    await copyFile(join(at(source), "pgbouncer"), aside);
    await chmod(aside, 0o755);
    await rename(aside, KEPT);
  } finally {
    await rm(folder, { recursive: true, force: true });
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
