/**
 * The launcher behind `npm start`, `npm test` and the other scripts: `run.mjs [--NODE-OPTION…] SCRIPT [ARGUMENT…]`.
 * It makes a machine that has only Node and npm ready, then runs the script on the Node of this release.
 * Plain JavaScript without dependencies, since at this point there may be none; nothing goes to stdout,
 * which belongs to the script.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const OLDEST_NODE = 20;
const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const modules = path.join(root, "node_modules");
const stamp = path.join(modules, ".latchkey-stamp");
const lock = path.join(root, ".latchkey-install");
/** The package's own path: a link in `.bin` exists only where npm was allowed to make links. */
const node24 = path.join(modules, "node", "bin", process.platform === "win32" ? "node.exe" : "node");

const HEARTBEAT_MS = 2_000;
const LOCK_SILENCE_MS = 20_000;
const SAME_SIGNAL_MS = 1_000;

/** For a person at a terminal: one sentence, no stack. */
class Refusal extends Error {}

/** The process that works for us now: npm, then the script. */
let child;
let last_signal_ms = 0;

await main().catch((error) => {
  process.stderr.write(`latchkey: ${error instanceof Refusal ? error.message : error.stack}\n`);
  process.exitCode = 1;
});

async function main() {
  if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
    throw new Refusal(
      `Node ${OLDEST_NODE} or later is needed, this is ${process.versions.node}. Get it from https://nodejs.org.`,
    );
  }
  const args = process.argv.slice(2);
  const script_at = args.findIndex((arg) => !arg.startsWith("--"));
  if (script_at < 0) throw new Refusal("usage: node scripts/run.mjs [--NODE-OPTION…] SCRIPT [ARGUMENT…]");
  const [options, script, rest] = [args.slice(0, script_at), args[script_at], args.slice(script_at + 1)];

  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => pass(signal));
  await ensureDependencies();
  endLike(await run(node24, [...options, path.join(root, script), ...rest], { stdio: "inherit" }));
}

/** Runs a program to its end; the signals that reach us meanwhile are its own. */
function run(program, args, options) {
  return new Promise((resolve, reject) => {
    child = spawn(program, args, { cwd: root, ...options });
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      child = undefined;
      resolve({ code, signal });
    });
  });
}

/** Ends as the child ended, so that whoever waits for us sees the truth about it. */
function endLike({ code, signal }) {
  if (signal === null) process.exit(code);
  endBy(signal);
}

function endBy(signal) {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/**
 * Hands a signal on to the child, once. Ctrl-C has already reached it with the rest of the terminal's
 * foreground group; and npm, which was told as well, sends us the same signal a second time.
 */
function pass(signal) {
  if (!child) return endBy(signal);
  const now_ms = Date.now();
  const repeated = now_ms - last_signal_ms < SAME_SIGNAL_MS;
  last_signal_ms = now_ms;
  if (repeated || (signal === "SIGINT" && isForeground())) return;
  child.kill(signal);
}

/** Whether we belong to the group that the terminal sends its Ctrl-C to. */
function isForeground() {
  try {
    // proc_pid_stat(5): after the command in parentheses come state, ppid, pgrp, session, tty_nr, tpgid.
    const stat = fs.readFileSync("/proc/self/stat", "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[2] === fields[5];
  } catch {
    const ps = spawnSync("ps", ["-o", "pgid=", "-o", "tpgid=", "-p", String(process.pid)], { encoding: "utf8" });
    const [group, foreground] = (ps.stdout || "").trim().split(/\s+/);
    return group !== undefined && group === foreground;
  }
}

/** Installs what package-lock.json says unless it is there; one launcher at a time. */
async function ensureDependencies() {
  if (isInstalled()) return;
  const release = await takeLock();
  try {
    // Another launcher may have done it while we waited.
    if (isInstalled()) return;
    process.stderr.write("latchkey: installing dependencies, which takes a minute the first time\n");
    const outcome = await install();
    if (outcome.signal !== null) {
      release();
      endLike(outcome);
    }
    if (outcome.code !== 0) throw new Refusal("the dependencies could not be installed; npm says why above.");
    if (!fs.existsSync(node24)) {
      throw new Refusal(
        "npm has not run the install script of the package `node`, which brings Node 24; is `ignore-scripts` set? " +
          "Allow this one with: npm rebuild node --ignore-scripts=false",
      );
    }
    writeStamp();
  } finally {
    release();
  }
}

function install() {
  if (!isLockInStep()) {
    throw new Refusal("package.json and package-lock.json do not agree; bring them into step with: npm install");
  }
  // Not `npm ci`: it deletes the modules first, under the feet of a server that runs, and refuses a lock file
  // that lacks an optional package for some other kind of machine. `--no-save` leaves the lock file alone.
  // Development tools and the optional PostgreSQL binaries are always wanted, whatever NODE_ENV or npm's own
  // settings say: otherwise what is installed would depend on who came first.
  const wanted = ["--no-save", "--include=dev", "--include=optional"];
  const args = ["install", ...wanted, "--no-audit", "--no-fund", "--loglevel=error"];
  const env = { ...process.env };
  // npm puts our own Node first in the path. It may be about to change, so the machine's must do this.
  const outside = (entry) => entry !== modules && !entry.startsWith(modules + path.sep);
  for (const name of Object.keys(env).filter((key) => key.toUpperCase() === "PATH")) {
    env[name] = env[name].split(path.delimiter).filter(outside).join(path.delimiter);
  }
  // Output of npm goes to stderr altogether.
  const options = { env, stdio: ["ignore", 2, 2] };
  const { npm_execpath, npm_node_execpath } = process.env;
  const running =
    npm_execpath?.endsWith("npm-cli.js") && npm_node_execpath && outside(npm_node_execpath)
      ? run(npm_node_execpath, [npm_execpath, ...args], options)
      : run("npm", args, { ...options, shell: process.platform === "win32" });
  return running.catch((error) => {
    if (error.code !== "ENOENT") throw error;
    throw new Refusal(
      "npm was not found. It comes with Node from https://nodejs.org; some systems have a package `npm`.",
    );
  });
}

/** What an installation depends on: the lock file, every package.json, the kind of machine. */
function fingerprint() {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}`);
  for (const file of ["package-lock.json", ...workspaces().map((name) => path.join(name, "package.json"))]) {
    hash.update(`\0${file}\0`).update(fs.readFileSync(path.join(root, file)));
  }
  return hash.digest("hex");
}

function workspaces() {
  return ["", ...readJson("package.json").workspaces];
}

function readJson(...parts) {
  return JSON.parse(fs.readFileSync(path.join(root, ...parts), "utf8"));
}

function isInstalled() {
  if (!fs.existsSync(node24)) return false;
  // Workspaces have modules of their own, which somebody may have deleted alone.
  const missing = ([place, { optional }]) => !optional && !fs.existsSync(path.join(root, place));
  const wanted = lockedModules();
  if (wanted.some(missing)) return false;
  try {
    if (fs.readFileSync(stamp, "utf8") === fingerprint()) return true;
  } catch {
    // No stamp: never installed, or installed by hand.
  }
  if (!isInstalledByHand(wanted)) return false;
  writeStamp();
  return true;
}

/** What the lock file asks for: where each module goes, and which one it is. */
function lockedModules() {
  const places = Object.entries(readJson("package-lock.json").packages);
  return places.filter(([place, { link }]) => /(^|\/)node_modules\//.test(place) && !link);
}

/**
 * Whether `npm install` or `npm ci`, run by somebody, left what the lock file asks for. npm notes what it has
 * installed; reinstalling over that would pull the modules from under a server that runs.
 */
function isInstalledByHand(wanted) {
  try {
    const present = readJson("node_modules", ".package-lock.json").packages;
    const complete = wanted.every(([place, { version, integrity, optional }]) => {
      const found = present[place];
      return found ? found.version === version && found.integrity === integrity : optional;
    });
    // Modules of another kind of machine are complete too, but their Node does not run here.
    return complete && isLockInStep() && spawnSync(node24, ["--version"]).status === 0;
  } catch {
    return false;
  }
}

/** Whether somebody has changed the dependencies in a package.json without npm. */
function isLockInStep() {
  const locked = readJson("package-lock.json").packages;
  const kinds = ["dependencies", "devDependencies", "optionalDependencies"];
  return workspaces().every((name) =>
    kinds.every((kind) => sameEntries(readJson(name, "package.json")[kind], locked[name]?.[kind])),
  );
}

function sameEntries(a = {}, b = {}) {
  const text = (entries) => JSON.stringify(Object.entries(entries).sort());
  return text(a) === text(b);
}

function writeStamp() {
  try {
    fs.writeFileSync(stamp, fingerprint());
  } catch {
    // A read-only installation works without; the check is then made in full each time.
  }
}

/**
 * A directory is the lock: making one either succeeds or finds it there. Its owner touches it while it
 * works; a lock whose owner has died, or has been silent for as long as we watched, is taken away.
 */
async function takeLock() {
  let told = false;
  let seen = "";
  let seen_ms = performance.now();
  for (;;) {
    try {
      fs.mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw new Refusal(`cannot install into ${root}: ${error.message}`);
    }
    const owner = readOwner(lock);
    const state = `${owner} ${touched(lock)}`;
    if (state !== seen) {
      seen = state;
      seen_ms = performance.now();
    }
    if (isDead(owner) || performance.now() - seen_ms > LOCK_SILENCE_MS) {
      breakLock(owner);
      continue;
    }
    if (!told) process.stderr.write("latchkey: another launcher installs the dependencies, waiting for it\n");
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const own = `${process.pid} ${randomBytes(8).toString("hex")}`;
  fs.writeFileSync(path.join(lock, "owner"), own);
  const heartbeat = setInterval(() => fs.utimesSync(lock, new Date(), new Date()), HEARTBEAT_MS);
  heartbeat.unref();
  return () => {
    clearInterval(heartbeat);
    if (readOwner(lock) === own) fs.rmSync(lock, { recursive: true, force: true });
  };
}

function readOwner(directory) {
  try {
    return fs.readFileSync(path.join(directory, "owner"), "utf8");
  } catch {
    return "";
  }
}

function touched(directory) {
  try {
    return fs.statSync(directory).mtimeMs;
  } catch {
    return 0;
  }
}

function isDead(owner) {
  const pid = Number.parseInt(owner, 10);
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}

/** Renaming has one winner. One that took away a newer lock, made in between, puts it back. */
function breakLock(owner) {
  const aside = `${lock}.${process.pid}-${randomBytes(4).toString("hex")}`;
  try {
    if (readOwner(lock) !== owner) return;
    fs.renameSync(lock, aside);
    if (readOwner(aside) !== owner) fs.renameSync(aside, lock);
  } catch (error) {
    if (error.code !== "ENOENT" && error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
  }
  fs.rmSync(aside, { recursive: true, force: true });
}
