import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { buildCli } from "../../cli/build.ts";
import { TestServer } from "../harness/server.ts";
import { setupTokenOf, signUp } from "../harness/world.ts";
import { BuiltCli } from "./built-cli.ts";
import { drawTerminal, type Shown } from "./draw-terminal.ts";
import { Terminal } from "./terminal.ts";

/**
 * `node test/cli/recording.ts [FOLDER]`: the recording in the README, moving and still. A person at a shell signs in, makes a key,
 * uses it, rotates it and revokes it, with the built command against a real server; what the terminal showed
 * is drawn. Nothing in it is made up: secrets of the server, which is thrown away, and the path of the
 * scratch directory are made short, and long waits are.
 */
const COLUMNS = 104;
const PROMPT = "$ ";
/** As a person types. */
const KEY_MS = 35;
/** Long enough to read what was answered. */
const READING_MS = 1_100;

const folder = resolve(process.argv[2] ?? join(import.meta.dirname, "../../docs/screenshots"));
const directory = await mkdtemp(join(tmpdir(), "latchkey-recording-"));
const data_dir = await mkdtemp(join(tmpdir(), "latchkey-test-"));
// The port that everybody has: it is in the pictures. Taken, the server says so.
const server = new TestServer(4400, data_dir, {});
try {
  const { cookie } = await startWithPerson();
  const program = await buildCli(join(directory, "package"));
  await mkdir(join(directory, "bin"));
  await symlink(program, join(directory, "bin", "latchkey"));
  const cli = new BuiltCli(directory, program);
  // The shell asks nobody else's files, and shows a plain prompt.
  const shell = `stty cols ${COLUMNS} rows 200; exec bash --norc --noprofile -i`;
  const environment = {
    PS1: PROMPT,
    HOME: directory,
    LATCHKEY_CONFIG_DIR: "",
    HISTFILE: "/dev/null",
    PSQL_PAGER: "cat",
    NODE_NO_WARNINGS: "1",
  };
  const terminal = new Terminal(cli, shell, environment);
  try {
    await terminal.shows(PROMPT);
    const shown = watch(terminal);
    await perform(terminal, cookie);
    const { moving, still } = await drawTerminal(shown(), { columns: COLUMNS, title: "latchkey", shorten });
    if (/lk_[a-z]+_\w{5}/.test(moving) || moving.includes(tmpdir())) throw new Error("something was not made short");
    await writeFile(join(folder, "cli.svg"), moving);
    await writeFile(join(folder, "cli-still.svg"), still);
    process.stdout.write(`${folder}\n`);
  } finally {
    terminal.close();
  }
} finally {
  await server.close();
  await rm(directory, { recursive: true, force: true });
}

/** What the terminal shows from now on, with the times; the function that is returned ends the watch. */
function watch(terminal: Terminal): () => Shown[] {
  const began = performance.now();
  let known = terminal.screen.length;
  // The prompt that is there already.
  const shown: Shown[] = [{ at_ms: 0, text: PROMPT }];
  const timer = setInterval(() => {
    if (terminal.screen.length === known) return;
    // Before the terminal breaks it into rows.
    shown.push({ at_ms: performance.now() - began, text: shorten(terminal.screen.slice(known)) });
    known = terminal.screen.length;
  }, 10).unref();
  return () => {
    clearInterval(timer);
    return shown;
  };
}

async function perform(terminal: Terminal, cookie: string): Promise<void> {
  const type = async (keys: string) => {
    for (const key of keys) {
      terminal.type(key);
      await sleep(KEY_MS);
    }
  };
  /** Waits for something that is shown from now on; returns it. */
  const after = (pattern: RegExp) => {
    const from = terminal.screen.length;
    return async (): Promise<RegExpExecArray> => {
      const deadline = performance.now() + 60_000;
      for (;;) {
        const found = pattern.exec(terminal.screen.slice(from));
        if (found) return found;
        if (performance.now() > deadline) throw new Error(`waited in vain for ${pattern}:\n${terminal.screen}`);
        await sleep(20);
      }
    };
  };
  /** Types a line, and returns once the shell asks for the next one. */
  const line = async (words: string, meanwhile?: () => Promise<void>) => {
    await type(words);
    const prompt = after(/[\n\r]\S*\$ $/);
    terminal.type("\r");
    await meanwhile?.();
    await prompt();
    await sleep(READING_MS);
  };

  await line("latchkey auth --device", async () => {
    const [, code] = await after(/^ {2}([A-Z]{4}-[A-Z]{4})\r?$/m)();
    await sleep(READING_MS);
    // In the browser, where the person is signed in: this is what its button sends.
    await server.expect(200, "POST", `/oauth_device_requests/${code}/approve`, { cookie });
  });
  await line("export NEON_API_KEY=$(latchkey api-keys create --name ci)");
  await line("latchkey projects create --name shop --no-secrets --set-context");
  await line(`latchkey psql -- -c "select current_user, current_database()"`);
  const id = (await server.expect<{ id: number; name: string }[]>(200, "GET", "/api_keys", { cookie })).find(
    ({ name }) => name === "ci",
  )?.id;
  await line(`latchkey api-keys rotate ${id}`, async () => {
    await after(/\[y\/N\] /)();
    await sleep(READING_MS);
    await type("y\r");
  });
  await line("latchkey me");
  await line("unset NEON_API_KEY");
  await line("latchkey api-keys list");
  const successor = (await server.expect<{ id: number; name: string }[]>(200, "GET", "/api_keys", { cookie }))[0];
  await line(`latchkey api-keys revoke ${successor?.id}`, async () => {
    await after(/to confirm: /)();
    await sleep(READING_MS);
    await type(`${successor?.name}\r`);
  });
}

/** A server with one person, who has an organization and no key. */
async function startWithPerson() {
  await server.start();
  const person = await signUp(server, "Ada", { setup_token: setupTokenOf(server) }, "ada@example.com");
  const { cookie } = person;
  await server.expect(200, "DELETE", `/api_keys/${person.key_id}`, { cookie });
  return { cookie };
}

function shorten(text: string): string {
  return text.replaceAll(directory, "~").replaceAll(/(lk_[a-z]+_\w{4})\w+/g, "$1…");
}
