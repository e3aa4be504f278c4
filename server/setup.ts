import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { OrganizationName } from "@latchkey/contract/organizations.ts";
import { Email, Password, PersonName } from "@latchkey/contract/users.ts";
import type { TSchema } from "typebox";
import { Value } from "typebox/value";
import { systemClock } from "./clock.ts";
import { type Config, ConfigError, readConfig } from "./config.ts";
import { inTransaction, isDatabaseLost, type Tx } from "./db/pool.ts";
import { Secret } from "./keys/secret.ts";
import { createLog } from "./log.ts";
import { findDefaultDataDir, visitInstance } from "./open.ts";
import { issuePasswordResetForSetup, RESET_MINUTES, resetUrl } from "./users/password-reset.ts";
import { type PersonWish, setUpPerson } from "./users/set-up-person.ts";

/**
 * `npm run setup`: a person, an organization and a personal API key without a browser, for scripts and
 * containers. Runs on the server's machine with the server's configuration, whether the server runs or not.
 */
const USAGE = `usage: npm run --silent setup -- --email E [--name N] [--org O] [--password-stdin]
       npm run --silent setup -- --email E --reset-link

Makes the person with that e-mail, unless there is one, and the organization of that name, unless the person
administers one, and prints one line of JSON with a new personal API key:
  {"user_id":"...","org_id":"...","api_key":"..."}

  --email E         e-mail of the person
  --name N          name of the person, if it has to be made (the part of the e-mail before the @)
  --org O           name of the organization (absent: the person's own)
  --password-stdin  read the person's password for the Console from standard input; an existing one is
                    replaced, and the person and their command lines are signed out everywhere
  --reset-link      for somebody who has forgotten their password: print nothing but a link to hand to them, with
                    which they choose another one; it works once, for ${RESET_MINUTES} minutes
                    {"user_id":"...","reset_url":"..."}
`;

class UsageError extends Error {
  override readonly name = "UsageError";
}

interface ResetWish {
  readonly reset_of: string;
}

async function readWish(args: string[]): Promise<PersonWish | ResetWish | "help"> {
  const { email, name, org, help, ...flags } = parse(args);
  if (help) return "help";
  if (email === undefined) throw new UsageError("--email is missing");
  if (flags["reset-link"]) {
    if (name ?? org ?? flags["password-stdin"]) throw new UsageError("--reset-link goes with --email alone");
    check("--email", Email, email, "must be an e-mail");
    return { reset_of: email };
  }
  const password = flags["password-stdin"] ? (await text(process.stdin)).replace(/\r?\n$/, "") : undefined;
  const wish = { email, name: name ?? (email.split("@")[0] || email), organization: org };
  check("--email", Email, wish.email, "must be an e-mail");
  check("--name", PersonName, wish.name, "must be 1 to 256 characters, none of them a control character");
  check("--org", OrganizationName, org, "must be 1 to 256 characters, none of them a control character");
  check("the password", Password, password, "must be 8 to 128 characters");
  return { ...wish, password: password === undefined ? undefined : new Secret(password) };
}

function parse(args: string[]) {
  try {
    const options = {
      email: { type: "string" },
      name: { type: "string" },
      org: { type: "string" },
      "password-stdin": { type: "boolean" },
      "reset-link": { type: "boolean" },
      help: { type: "boolean" },
    } as const;
    return parseArgs({ args, options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : "the arguments cannot be understood");
  }
}

function check(what: string, schema: TSchema, value: string | undefined, must: string): void {
  if (value !== undefined && !Value.Check(schema, value)) throw new UsageError(`${what} ${must}`);
}

const DEADLINE_MS = 60_000;

/** Tries again when a server that is starting or stopping takes the database away in the middle. */
async function inInstance<T>(config: Config, work: (tx: Tx) => Promise<T>): Promise<T> {
  // Standard output is for the one line; on standard error only what went wrong.
  const log = createLog(config.log_level === "debug" ? "debug" : "silent");
  const deadline = systemClock.monotonic_ms() + DEADLINE_MS;
  for (;;) {
    try {
      const instance = await visitInstance(config, systemClock, log);
      try {
        return await inTransaction(instance.db, work);
      } finally {
        await instance.close();
      }
    } catch (error) {
      const lost = isDatabaseLost(error) || (error instanceof Error && isDatabaseLost(error.cause));
      if (!lost || systemClock.monotonic_ms() > deadline) throw error;
      await systemClock.sleep(250);
    }
  }
}

async function setUp(config: Config, wish: PersonWish): Promise<object> {
  const { user_id, org_id, api_key } = await inInstance(config, (tx) => setUpPerson(tx, wish, systemClock.now_ms()));
  return { user_id, org_id, api_key: api_key.reveal() };
}

async function makeResetLink(config: Config, { reset_of }: ResetWish): Promise<object> {
  const made = await inInstance(config, (tx) => issuePasswordResetForSetup(tx, reset_of));
  if (!made) throw new Error(`nobody here has the e-mail ${reset_of}`);
  return { user_id: made.user_id, reset_url: resetUrl(config.public_url, made.token) };
}

async function main(): Promise<number> {
  try {
    const wish = await readWish(process.argv.slice(2));
    if (wish === "help") {
      process.stdout.write(USAGE);
      return 0;
    }
    const config = readConfig(await findDefaultDataDir());
    const made = "reset_of" in wish ? await makeResetLink(config, wish) : await setUp(config, wish);
    process.stdout.write(`${JSON.stringify(made)}\n`);
    return 0;
  } catch (error) {
    const message = error instanceof Error ? error.message : "unknown error";
    process.stderr.write(`setup: ${message}\n`);
    if (error instanceof UsageError) process.stderr.write(`\n${USAGE}`);
    return error instanceof UsageError || error instanceof ConfigError ? 2 : 1;
  }
}

process.exitCode = await main();
