import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { ExternalDatabase } from "../test/harness/external-database.ts";
import { freePort, runProgram } from "../test/harness/server.ts";
import { insertKeys, insertStrangers, type Owner } from "./keys.ts";
import { Contender, type Measured, memoryOf } from "./processes.ts";
import { startRedis } from "./redis.ts";
import { Verdicts } from "./targets.ts";

/**
 * `npm run bench`: how fast keys are verified, beside plain Fastify that sends the same response to everybody and Better
 * Auth's api-key plugin, on one PostgreSQL. The contenders take turns, round after round, and what is told are ratios within a round (the
 * median of them): the machine's moods hit all alike.
 */
const USAGE = `usage: npm run bench -- [--rounds N] [--seconds N] [--only NAME,…] [--scale N,…] [--check]

  --rounds   how often the contenders take turns (5)
  --seconds  how long each is measured in a round (3)
  --only     hot, strict, better-auth, scale, cold, writes, flood (all)
  --scale    keys in the database for "scale" and "cold" (1000,100000,1000000; 10000000 takes minutes and 5 GB)
  --check    compares with the targets after each part; ends with 1 when one was missed
`;

const ROOT = join(import.meta.dirname, "..");
/** As `npm start` runs it. */
const OURS = ["--use-largepages=silent", join(ROOT, "server/main.ts")];
/** For each of a million keys to be used once. */
const FILL_WITHIN_S = 600;
const SAME_RESPONSE = "plain Fastify, the same response";
const PARTS = ["hot", "strict", "better-auth", "scale", "cold", "writes", "flood"] as const;

interface Setting {
  readonly rounds: number;
  readonly seconds: number;
}

interface Bench {
  readonly database: ExternalDatabase;
  readonly directory: string;
  readonly owner: Owner;
  readonly secret_key: string;
  /** A file of a thousand live keys. */
  readonly tokens: string;
  readonly setting: Setting;
  readonly verdicts: Verdicts;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "3" },
      only: { type: "string", default: PARTS.join(",") },
      scale: { type: "string", default: "1000,100000,1000000" },
      check: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return print(USAGE);
  const parts = new Set(values.only.split(","));
  const setting = { rounds: Number(values.rounds), seconds: Number(values.seconds) };
  const verdicts = new Verdicts();
  const bench = await openBench(setting, verdicts);
  try {
    const check = () => {
      const lines = verdicts.take();
      if (values.check && lines.length > 0) print(`${lines.join("\n")}\n`);
    };
    print(`Node ${process.version}, ${setting.rounds} rounds of ${setting.seconds} s, 64 connections\n`);
    if (parts.has("hot") || parts.has("strict")) await hot(bench, parts.has("strict"));
    check();
    if (parts.has("writes")) await writes(bench);
    if (parts.has("flood")) await flood(bench);
    check();
    if (parts.has("better-auth")) await betterAuth(bench);
    check();
    if (parts.has("scale") || parts.has("cold")) await scale(bench, parts, values.scale.split(",").map(Number));
    check();
    if (values.check && verdicts.missed > 0) process.exitCode = 1;
  } finally {
    await closeBench(bench);
  }
}

/** A database of its own, with a thousand live keys. */
async function openBench(setting: Setting, verdicts: Verdicts): Promise<Bench> {
  const directory = await mkdtemp(join(tmpdir(), "latchkey-bench-"));
  await chmod(directory, 0o711);
  const database = await ExternalDatabase.make({
    shared_preload_libraries: "pg_stat_statements",
    "pg_stat_statements.track": "all",
    shared_buffers: "512MB",
    max_wal_size: "8GB",
  });
  const secret_key = randomBytes(32).toString("base64url");
  const tokens = join(directory, "tokens");
  try {
    const owner = await makeOwner(database, directory, secret_key);
    await insertKeys(database, owner, 1_000, tokens);
    return { database, directory, owner, secret_key, tokens, setting, verdicts };
  } catch (error) {
    await closeBench({ database, directory });
    throw error;
  }
}

async function closeBench({ database, directory }: Pick<Bench, "database" | "directory">): Promise<void> {
  await database.close();
  await rm(directory, { recursive: true, force: true });
}

async function makeOwner(database: ExternalDatabase, directory: string, secret_key: string): Promise<Owner> {
  const data_dir = join(directory, "setup");
  await mkdir(data_dir, { mode: 0o711 });
  const { stdout, stderr, code } = await runProgram(
    "server/setup.ts",
    ["--email", "ada@example.com", "--name", "Ada", "--org", "Acme"],
    { DATABASE_URL: database.url, LATCHKEY_DATA_DIR: data_dir, LATCHKEY_SECRET_KEY: secret_key },
  );
  if (code !== 0) throw new Error(`setup: ${stderr}`);
  await database.query("create extension if not exists pg_stat_statements");
  return JSON.parse(stdout) as Owner;
}

let nodes = 0;
async function startOurs(
  { database, directory, secret_key }: Bench,
  env: Record<string, string> = {},
): Promise<Contender> {
  const port = await freePort();
  const data_dir = join(directory, `node-${nodes++}`);
  await mkdir(data_dir, { recursive: true, mode: 0o711 });
  const ours = await Contender.start(
    "Latchkey",
    port,
    [...profiling(), ...OURS],
    {
      DATABASE_URL: database.url,
      LATCHKEY_PORT: String(port),
      LATCHKEY_PG_PORT: "0",
      LATCHKEY_DATA_DIR: data_dir,
      LATCHKEY_SECRET_KEY: secret_key,
      LATCHKEY_LOG_LEVEL: "error",
      ...env,
    },
    /is ready/,
  );
  await ours.settle();
  return ours;
}

/** `BENCH_PROFILE=directory` writes a CPU profile of our server there. */
function profiling(): string[] {
  const directory = process.env.BENCH_PROFILE;
  return directory && existsSync(directory) ? ["--cpu-prof", `--cpu-prof-dir=${directory}`] : [];
}

async function startFastify(headers: Readonly<Record<string, string>> = {}): Promise<Contender> {
  const port = await freePort();
  const peer = join(ROOT, "bench/peers/plain-fastify.ts");
  const args = [...profiling(), peer, String(port), JSON.stringify(headers)];
  return await Contender.start("plain Fastify", port, args, {}, /ready/);
}

/** The headers of our answer, without those that Node or the library writes for everybody. */
async function headersOf({ port }: Contender, tokens: string): Promise<Record<string, string>> {
  const [token] = readFileSync(tokens, "latin1").split("\n", 1);
  const answer = await fetch(`http://127.0.0.1:${port}/api/v2/auth`, { headers: { authorization: `Bearer ${token}` } });
  if (answer.status !== 200) throw new Error(`Latchkey answered ${answer.status}`);
  const own = new Set(["connection", "content-length", "content-type", "date", "keep-alive"]);
  return Object.fromEntries([...answer.headers].filter(([name]) => !own.has(name)));
}

interface Entry {
  readonly name: string;
  readonly contender: Contender;
  readonly tokens: string;
}

/** Medians within the rounds, to the first of those that took turns. */
interface Ratios {
  readonly per_second: number;
  readonly p99: number;
}

/** Measures the entries in turn; the first is what the others are compared with, and what is returned is in their order. */
async function takeTurns(
  entries: readonly Entry[],
  { rounds, seconds }: Setting,
  order = "round",
): Promise<readonly Ratios[]> {
  const measured = entries.map((): Measured[] => []);
  for (const { contender, tokens } of entries) await contender.measure(tokens, 1, 64, order);
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < entries.length; i++) {
      // Each round begins with another one.
      const at = (i + round) % entries.length;
      const entry = entries[at];
      if (entry) measured[at]?.push(await entry.contender.measure(entry.tokens, seconds, 64, order));
    }
  }
  const base = measured[0] ?? [];
  print(row(["", "requests/s", "ratio", "CPU/request", "p50", "p99", "p99 ratio", "memory", "not 200"]));
  const ratios = entries.map(({ name }, i): Ratios => {
    const own = measured[i] ?? [];
    const of = (read: (m: Measured) => number) => median(own.map(read));
    const ratio = (read: (m: Measured) => number) => median(own.map((m, n) => read(m) / read(base[n] ?? m)));
    const ratios = { per_second: ratio((m) => m.per_second), p99: ratio((m) => m.p99_ms) };
    print(
      row([
        name,
        of((m) => m.per_second).toFixed(0),
        ratios.per_second.toFixed(3),
        `${of((m) => m.cpu_us).toFixed(1)} µs`,
        `${of((m) => m.p50_ms).toFixed(2)} ms`,
        `${of((m) => m.p99_ms).toFixed(2)} ms`,
        ratios.p99.toFixed(2),
        `${of((m) => m.memory_mb).toFixed(0)} MB`,
        String(own.reduce((sum, m) => sum + m.other + m.lost, 0)),
      ]),
    );
    return ratios;
  });
  print("");
  return ratios;
}

async function hot(bench: Bench, with_strict: boolean): Promise<void> {
  print("Verification, 1,000 keys");
  const { tokens } = bench;
  const ours = await startOurs(bench);
  const same = await startFastify(await headersOf(ours, tokens));
  const entries: Entry[] = [
    { name: SAME_RESPONSE, contender: same, tokens },
    { name: "Latchkey, from memory", contender: ours, tokens },
    { name: "plain Fastify, the body alone", contender: await startFastify(), tokens },
  ];
  if (with_strict) {
    const strict = await startOurs(bench, { LATCHKEY_KEY_CACHE_BYTES: "0" });
    entries.push({ name: "Latchkey, strict (asks the database)", contender: strict, tokens });
  }
  const [, memory, , strict] = await takeTurns(entries, bench.setting);
  bench.verdicts.compare("hot", memory?.per_second ?? Number.NaN);
  bench.verdicts.compare("hot_p99", memory?.p99 ?? Number.NaN);
  if (with_strict) bench.verdicts.compare("strict", strict?.per_second ?? Number.NaN);
  await stopAll(entries);
}

async function betterAuth(bench: Bench): Promise<void> {
  print("Better Auth's api-key plugin on the same PostgreSQL, 1,000 keys");
  const redis = await startRedis(bench.directory);
  const start = async (setting: string): Promise<Entry> => {
    const port = await freePort();
    const tokens = join(bench.directory, `better-auth-${setting}`);
    const name = `better_auth_${setting}`;
    await bench.database.query(`create database ${name}`);
    const url = bench.database.url.replace(/latchkey$/, name);
    const args = [join(ROOT, "bench/peers/better-auth.ts"), String(port), setting, tokens, url, String(redis.port)];
    return { name: `Better Auth, ${setting}`, contender: await Contender.start(name, port, args, {}, /ready/), tokens };
  };
  const entries: Entry[] = [
    { name: "Latchkey, from memory", contender: await startOurs(bench), tokens: bench.tokens },
    await start("defaults"),
    await start("redis"),
    await start("map"),
  ];
  const [, defaults, fastest] = await takeTurns(entries, bench.setting);
  bench.verdicts.compare("better_auth", 1 / (defaults?.per_second ?? Number.NaN));
  bench.verdicts.compare("better_auth_fastest", 1 / (fastest?.per_second ?? Number.NaN));
  await stopAll(entries);
  await redis.stop();
}

/** Statements that the request path sends to the database while it verifies from memory. */
async function writes(bench: Bench): Promise<void> {
  const ours = await startOurs(bench);
  await ours.measure(bench.tokens, 1);
  await bench.database.query("select pg_stat_statements_reset()");
  const { good } = await ours.measure(bench.tokens, 10);
  const rows = await bench.database.query<{ query: string; calls: number; kind: string }>(
    `select calls::int, left(regexp_replace(query, '\\s+', ' ', 'g'), 60) as query from pg_stat_statements
     where query !~* 'pg_stat_statements' order by calls desc`,
  );
  print(
    `Statements during ${good} verifications in 10 s (last uses once a second, the lease twice a second, the jobs):`,
  );
  for (const { calls, query } of rows) print(`  ${String(calls).padStart(5)}  ${query}`);
  print("");
  await ours.stop();
}

/** Valid traffic beside junk and beside well-formed unknown tokens. */
async function flood(bench: Bench): Promise<void> {
  print("A flood from 64 connections beside valid traffic on 16");
  const { writeFileSync } = await import("node:fs");
  const { newToken } = await import("../server/keys/token.ts");
  const junk = join(bench.directory, "junk");
  const unknown = join(bench.directory, "unknown");
  const made = Array.from({ length: 50_000 }, () => newToken("org").token.reveal());
  writeFileSync(unknown, `${made.join("\n")}\n`);
  writeFileSync(junk, `${made.map((token) => `${token.slice(0, -6)}000000`).join("\n")}\n`);
  const ours = await startOurs(bench);
  await ours.measure(bench.tokens, 1);
  const floods = [
    { name: "quiet: nobody else", tokens: "", is_flood: false },
    { name: "valid traffic from 64 more", tokens: bench.tokens, is_flood: false },
    { name: "junk", tokens: junk, is_flood: true },
    { name: "unknown tokens", tokens: unknown, is_flood: true },
  ].map((flood) => ({ ...flood, measured: [] as Measured[] }));
  for (let round = 0; round < bench.setting.rounds; round++) {
    for (const { tokens, measured } of floods)
      measured.push(await ours.measure(bench.tokens, bench.setting.seconds, 16, "round", tokens));
  }
  const quiet = floods[0]?.measured ?? [];
  print(row(["", "requests/s", "p50", "p99", "p99 ratio", "memory", "not 200"]));
  for (const { name, measured, is_flood } of floods) {
    const p99_ratio = median(measured.map((m, n) => m.p99_ms / (quiet[n] ?? m).p99_ms));
    if (is_flood) bench.verdicts.compare("flood", p99_ratio);
    const of = (read: (m: Measured) => number) => median(measured.map(read));
    print(
      row([
        name,
        of((m) => m.per_second).toFixed(0),
        `${of((m) => m.p50_ms).toFixed(2)} ms`,
        `${of((m) => m.p99_ms).toFixed(2)} ms`,
        p99_ratio.toFixed(2),
        `${of((m) => m.memory_mb).toFixed(0)} MB`,
        String(measured.reduce((sum, m) => sum + m.other + m.lost, 0)),
      ]),
    );
  }
  print("");
  await ours.stop();
}

async function scale(bench: Bench, parts: ReadonlySet<string>, sizes: readonly number[]): Promise<void> {
  let present = 1_000;
  let cold_ratio: number | undefined;
  const few = await openBench(bench.setting, bench.verdicts);
  try {
    for (const size of [...sizes].sort((a, b) => a - b)) {
      const live = Math.min(size, 1_000_000);
      const hot_tokens = join(bench.directory, `hot-${size}`);
      if (size > present + live) await insertStrangers(bench.database, bench.owner, size - present - live);
      await insertKeys(bench.database, bench.owner, live, hot_tokens);
      await bench.database.query("vacuum analyze api_keys");
      await bench.database.query("checkpoint");
      present = Math.max(size, present);
      print(`${size.toLocaleString("en")} keys in the database, ${live.toLocaleString("en")} of them hot`);
      if (parts.has("scale")) await scaleFromMemory(bench, size, live, hot_tokens);
      if (parts.has("cold")) cold_ratio = await coldLookUps(few, bench, hot_tokens);
    }
  } finally {
    await closeBench(few);
  }
  if (cold_ratio !== undefined) bench.verdicts.compare("cold", cold_ratio);
}

async function scaleFromMemory(bench: Bench, size: number, live: number, tokens: string): Promise<void> {
  const ours = await startOurs(bench);
  const same = await startFastify(await headersOf(ours, bench.tokens));
  const entries: Entry[] = [
    { name: SAME_RESPONSE, contender: same, tokens },
    { name: "Latchkey, from memory", contender: ours, tokens },
  ];
  // Long enough for the heap to have the size that traffic gives it.
  const empty_mb = (await ours.measure(bench.tokens, 5)).memory_mb;
  await ours.measure(tokens, FILL_WITHIN_S, 64, "once");
  const [, memory] = await takeTurns(entries, bench.setting, "random");
  if (size === 1_000_000) bench.verdicts.compare("scale", memory?.per_second ?? Number.NaN);
  if (live >= 100_000) {
    const busy_mb = memoryOf(ours.pid);
    await writtenUses(ours);
    const per_key = (mb: number) => `${(((mb - empty_mb) * 2 ** 20) / live).toFixed(0)} bytes a key`;
    print(
      `memory: ${empty_mb.toFixed(0)} MB before; ${per_key(busy_mb)} more while last uses wait to be written, ` +
        `${per_key(memoryOf(ours.pid))} more once they are; its own count: ${per_key(empty_mb + (await gauge(ours, "latchkey_key_cache_bytes")) / 2 ** 20)}`,
    );
  }
  await stopAll(entries);
}

/**
 * Single look-ups of servers that remember nothing, one connection: what a database of many keys takes longer for than one of
 * a thousand, in turns. Returns the ratio of their medians.
 */
async function coldLookUps(few: Bench, many: Bench, tokens: string): Promise<number> {
  const none = { LATCHKEY_KEY_CACHE_BYTES: "0" };
  const [short, long] = [await startOurs(few, none), await startOurs(many, none)];
  const rounds: { few: Measured; many: Measured }[] = [];
  for (let round = -1; round < few.setting.rounds; round++) {
    const measured = {
      few: await short.measure(few.tokens, 1, 1, "random"),
      many: await long.measure(tokens, 1, 1, "random"),
    };
    // In the first one code is still being compiled, and pages are read from the disk.
    if (round >= 0) rounds.push(measured);
  }
  await Promise.all([short.stop(), long.stop()]);
  const ratio = median(rounds.map((measured) => measured.many.p50_ms / measured.few.p50_ms));
  const told = (name: "few" | "many") =>
    `${median(rounds.map((measured) => measured[name].p50_ms)).toFixed(2)} ms (p99 ${median(rounds.map((measured) => measured[name].p99_ms)).toFixed(2)})`;
  print(`cold look-up: ${told("many")}, of a thousand keys ${told("few")}, ratio ${ratio.toFixed(2)}\n`);
  return ratio;
}

/** Waits until every last use is in the database, which takes a second for each 5,000 keys. */
async function writtenUses(ours: Contender): Promise<void> {
  while ((await gauge(ours, "latchkey_key_uses_waiting")) > 0) await delay(1_000);
}

async function gauge({ port }: Contender, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

async function stopAll(entries: readonly Entry[]): Promise<void> {
  for (const { contender } of entries) await contender.stop();
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

function row([name = "", ...cells]: string[]): string {
  return name.padEnd(40) + cells.map((cell) => cell.padStart(12)).join("");
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

await main();
