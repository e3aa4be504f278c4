import { chmod, glob, mkdtemp, readFile, rm, statfs } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { finished } from "node:stream/promises";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { parseArgs } from "node:util";
import { scan } from "../test/source-scan.ts";
import { endProcesses, findLeftFiles, findLeftProcesses } from "./leftovers.ts";

/**
 * `npm test`: runs the tests and says whether they held. It fails also when no test ran, when a test file
 * holds none, and when a process or a file was left behind.
 */
const USAGE = `usage: npm test -- [--fast] [--name REGEX] [PATH…]

  --fast        only files that start nothing: no database, no server, no outside client
  --name REGEX  only tests whose name matches
  PATH          only files whose path contains this text (any of several)
`;

const ROOT = dirname(import.meta.dirname);
const FILE_TIMEOUT_MS = 15 * 60_000;
const LISTED_FILES = 5;

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) return 2;
  const files = await findFiles(options.fast, options.paths);
  if (files.length === 0) {
    process.stderr.write(`no test file matches: ${options.paths.join(" ")}\n`);
    return 1;
  }

  // One temporary directory for each run: two runs on a machine never meet, and what is left can be told.
  // PostgreSQL may run as another account and must be able to pass through.
  const temporary = await mkdtemp(join(await findRoom(), "lk-test-"));
  await chmod(temporary, 0o711);
  process.env.TMPDIR = temporary;
  const outcome = await runFiles(files, options.name);

  const processes = await findLeftProcesses(temporary);
  endProcesses(processes);
  const left = [
    ...processes.map(({ pid, command }) => `process ${pid}, ended now: ${command}`),
    ...(await findLeftFiles(temporary)).map((path) => `file ${path}`),
  ];
  await rm(temporary, { recursive: true, force: true });

  const problems = [...outcome.problems, ...left.map((what) => `left behind: ${what}`)];
  const slowest = outcome.durations.sort((a, b) => b.duration_ms - a.duration_ms).slice(0, LISTED_FILES);
  const lines = [
    "",
    "slowest files:",
    ...slowest.map(({ file, duration_ms }) => `  ${(duration_ms / 1000).toFixed(1).padStart(6)} s  ${file}`),
    "",
    ...outcome.left_out.map((what) => `⚠ not run: ${what}`),
    ...problems.map((problem) => `✖ ${problem}`),
    // Last, as Node's own runner ends.
    ...outcome.summary.map((line) => `ℹ ${line}`),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
  return outcome.success && problems.length === 0 ? 0 : 1;
}

const ROOM_BYTES = 4 * 2 ** 30;

/**
 * Where the tests' clusters go: memory where there is plenty, for a hundred databases that each wait for a
 * disk take most of a run. Tests kill processes and never the machine, so nothing depends on a disk.
 */
async function findRoom(): Promise<string> {
  const memory = "/dev/shm";
  try {
    const { bavail, bsize } = await statfs(memory);
    const mounts = await readFile("/proc/mounts", "utf8");
    const options =
      mounts
        .split("\n")
        .find((line) => line.split(" ")[1] === memory)
        ?.split(" ")[3] ?? "noexec";
    if (bavail * bsize > ROOM_BYTES && !options.split(",").includes("noexec")) return memory;
  } catch {
    // Not Linux, or no such place.
  }
  return tmpdir();
}

function readOptions() {
  try {
    const { values, positionals } = parseArgs({
      options: { fast: { type: "boolean", default: false }, name: { type: "string" } },
      allowPositionals: true,
    });
    return { fast: values.fast, name: values.name, paths: positionals };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    return undefined;
  }
}

async function findFiles(fast: boolean, paths: readonly string[]): Promise<string[]> {
  const { workspaces } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as { workspaces: string[] };
  // The folders of test/ come first: they take longest, and a long file started last would be waited for.
  const folders = [...workspaces, "scripts"].map((folder) => `${folder}/**/*.test.ts`);
  const files: string[] = [];
  for (const pattern of ["test/*/**/*.test.ts", ...folders, "test/*.test.ts"]) {
    const found: string[] = [];
    for await (const file of glob(pattern, { cwd: ROOT, exclude: ["**/node_modules/**"] })) found.push(file);
    files.push(...found.sort());
  }
  const chosen = files.filter((file) => paths.length === 0 || paths.some((part) => file.includes(part)));
  if (!fast) return chosen;
  const quick = await Promise.all(chosen.map(startsNothing));
  return chosen.filter((_, index) => quick[index]);
}

/** What starts something is shared by tests: it is in the harness, or beside the sources under a test's name. */
async function startsNothing(file: string): Promise<boolean> {
  const { imports } = scan(file, await readFile(join(ROOT, file), "utf8"));
  const shared = /^test\/harness\/|\/(testing|conformance|test-[^/]+)\.ts$/;
  return !/^test\/.*\//.test(file) && !imports.some((path) => shared.test(path));
}

interface Outcome {
  readonly success: boolean;
  readonly durations: { file: string; duration_ms: number }[];
  readonly problems: string[];
  /** Tests that this machine cannot run, each with the reason: said at the end, where it is read. */
  readonly left_out: string[];
  readonly summary: string[];
}

async function runFiles(files: readonly string[], name: string | undefined): Promise<Outcome> {
  const ending = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => ending.abort());

  const events = run({
    files: files.map((file) => join(ROOT, file)),
    cwd: ROOT,
    concurrency: Math.max(2, Math.floor(availableParallelism() / 2)),
    timeout: FILE_TIMEOUT_MS,
    signal: ending.signal,
    ...(name === undefined ? {} : { testNamePatterns: [new RegExp(name)] }),
  });
  const reporter = new spec();
  reporter.pipe(process.stdout, { end: false });

  const durations: Outcome["durations"] = [];
  const problems: string[] = [];
  const left_out: string[] = [];
  const summary: string[] = [];
  let success = false;
  let ran = 0;
  for await (const event of events) {
    if (event.type === "test:diagnostic" && event.data.file === undefined && event.data.nesting === 0) {
      summary.push(event.data.message);
      continue;
    }
    if (event.type === "test:pass" && event.data.name === event.data.file && name === undefined) {
      // Node counts a file without tests as one that passed.
      problems.push(`${relative(ROOT, event.data.file)} holds no test`);
    }
    if (event.type === "test:pass" && event.data.skip !== undefined) {
      left_out.push(`${event.data.name} (${relative(ROOT, event.data.file ?? "")}): ${event.data.skip}`);
    }
    if (event.type === "test:summary") {
      const { file, duration_ms, counts } = event.data;
      if (file === undefined) success = event.data.success;
      else {
        durations.push({ file: relative(ROOT, file), duration_ms });
        ran += counts.tests - counts.skipped;
      }
    }
    reporter.write(event);
  }
  reporter.end();
  await finished(reporter);
  if (ran === 0) problems.push("no test ran");
  if (ending.signal.aborted) problems.push("the run was broken off");
  return { success, durations, problems, left_out, summary };
}

process.exit(await main());
