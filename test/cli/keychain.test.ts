import assert from "node:assert/strict";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startServer, type TestServer } from "../harness/server.ts";
import { ensureProgram } from "../harness/system-packages.ts";
import { type Ran, runProcess, useBuiltCli } from "./built-cli.ts";

/**
 * The system's keychain as Linux has it: a Secret Service on the session's bus. A real one, GNOME's, in a
 * session of its own for every command, so that what a command reads has been kept by the one before.
 */
/** Another release is beside it, for Neon's CLI. */
const BINDING = createRequire(join(import.meta.dirname, "../../cli/main.ts")).resolve("@napi-rs/keyring");
const has_linux = process.platform === "linux";

async function ensureSecretService(): Promise<void> {
  await ensureProgram(["gnome-keyring-daemon"], "gnome-keyring");
  await ensureProgram(["dbus-run-session"], "dbus-daemon");
  await ensureProgram(["dbus-send"], "dbus-bin");
}

/** The daemon is in the background before it is on the bus. */
const READY = `
  until dbus-send --session --print-reply --dest=org.freedesktop.secrets /org/freedesktop/secrets \\
    org.freedesktop.DBus.Peer.Ping > /dev/null 2>&1
  do sleep 0.02
  done`;

/** Begins the session as a login would, which opens the keychain with its password, or leaves it shut. */
const BEGINNINGS = {
  open: `printf password | gnome-keyring-daemon --unlock --components=secrets > /dev/null${READY}`,
  shut: `gnome-keyring-daemon --start --components=secrets > /dev/null${READY}`,
  none: "",
} as const;

/** A bus that starts nothing by itself: neither another keychain nor a window that asks for a password. */
const BUS = `<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=/tmp</listen>
  <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>`;

/** What the service has of ours, by its own protocol. */
const SEARCH = [
  ...["dbus-send", "--session", "--print-reply=literal", "--dest=org.freedesktop.secrets"],
  ...["/org/freedesktop/secrets", "org.freedesktop.Secret.Service.SearchItems"],
  "dict:string:string:service,latchkey",
];

interface Session {
  readonly input?: string;
  readonly keychain?: keyof typeof BEGINNINGS;
}

describe(`a real keychain${has_linux ? "" : " (Linux's is tried; this is another system)"}`, {
  skip: !has_linux,
}, () => {
  const built = useBuiltCli();
  let server: TestServer;
  let api_key = "";

  before(async () => {
    await ensureSecretService();
    server = await startServer();
    ({ api_key } = await server.setup());
    // As npm would have installed it: the binding beside the command, in the release that the command asks for.
    await symlink(join(dirname(BINDING), "../.."), join(built.cli.directory, "node_modules"));
    await mkdir(join(built.cli.directory, "run"), { mode: 0o700 });
    await writeFile(join(built.cli.directory, "bus.conf"), BUS);
  });
  after(() => server?.close());

  /** Runs a program in a session of its own; what the session has started ends with it. */
  async function inSession(words: readonly string[], { input = "", keychain = "open" }: Session = {}): Promise<Ran> {
    const { directory } = built.cli;
    const env = {
      PATH: process.env.PATH ?? "",
      HOME: directory,
      TMPDIR: directory,
      XDG_RUNTIME_DIR: join(directory, "run"),
      LATCHKEY_CONFIG_DIR: join(directory, "config"),
      LATCHKEY_URL: server.url,
    };
    const inner = ["bash", "-c", `${BEGINNINGS[keychain]}\n"$@"`, "session", ...words];
    const bus = ["dbus-run-session", `--config-file=${join(directory, "bus.conf")}`, "--"];
    return await runProcess("timeout", ["30", ...bus, ...inner], { env, input, cwd: directory });
  }

  const latchkey = (words: readonly string[], session: Session = {}) =>
    inSession([process.execPath, built.cli.file, ...words], session);

  async function well(...parameters: Parameters<typeof latchkey>): Promise<Ran> {
    const ran = await latchkey(...parameters);
    assert.equal(ran.code, 0, ran.stderr);
    return ran;
  }
  const file = () => readFile(join(built.cli.directory, "config/profiles.json"), "utf8");
  const kept = async () => {
    const { code, stdout, stderr } = await inSession(SEARCH);
    assert.equal(code, 0, stderr);
    return stdout.match(/\/collection\/login\/\d+/g)?.length ?? 0;
  };

  test("holds the key, which no file does, and gives it to the next session", async () => {
    const signed_in = await well(["auth", "--api-key-stdin"], { input: api_key });
    assert.match(signed_in.stderr, /the key is kept in the system's keychain/);
    assert.match(await file(), /"store": "keychain"/);
    assert.ok(!(await file()).includes("lk_"));
    assert.equal(await kept(), 1);
    assert.match((await well(["me"])).stdout, /ada@example\.com/);
  });

  test("gets the successor of a key before that is revoked", async () => {
    const [key] = JSON.parse((await well(["api-keys", "list"])).stdout) as { id: number }[];
    const rotated = await well(["api-keys", "rotate", String(key?.id), "--revoke-old"]);
    assert.match(rotated.stderr, /Profile DEFAULT holds the new key now[\s\S]*is revoked/);
    assert.match((await well(["me"])).stdout, /ada@example\.com/);
    assert.ok(!(await file()).includes("lk_"));
    assert.equal(await kept(), 1);
  });

  test("keeps profiles of the same name apart by their directories", async () => {
    const { api_key: others } = await server.setup("grace@example.com", "Grace", "Navy");
    const elsewhere = ["--config-dir", join(built.cli.directory, "elsewhere")];
    await well(["auth", "--api-key-stdin", ...elsewhere], { input: others });
    assert.equal(await kept(), 2);
    assert.match((await well(["me", ...elsewhere])).stdout, /grace@example\.com/);
    assert.match((await well(["me"])).stdout, /ada@example\.com/);
    await well(["auth", "logout", ...elsewhere]);
    assert.equal(await kept(), 1);
    assert.match((await well(["me"])).stdout, /ada@example\.com/);
  });

  test("an entry of before, without the directory, is read, and moves at the next change", async () => {
    const old = `const { Entry } = require(${JSON.stringify(BINDING)});
      const [to, secret] = process.argv.slice(1);
      new Entry("latchkey", to).setPassword(secret);`;
    ({ api_key } = await server.setup());
    const secret = { type: "api_key", host: server.api, api_key };
    await well(["auth", "logout"]);
    const stored = { host: server.api, type: "api_key", account: "", store: "keychain", created_at: "" };
    const profiles = JSON.stringify({ version: 1, profiles: { DEFAULT: stored } });
    await writeFile(join(built.cli.directory, "config/profiles.json"), profiles);
    const { code, stderr } = await inSession([process.execPath, "-e", old, "DEFAULT", JSON.stringify(secret)]);
    assert.equal(code, 0, stderr);
    assert.match((await well(["me"])).stdout, /ada@example\.com/);
    await well(["auth", "--api-key-stdin"], { input: api_key });
    assert.equal(await kept(), 1, "it has moved");
    assert.match((await well(["me"])).stdout, /ada@example\.com/);
  });

  test("is not signed out of where it does not open, unless that is wanted", async () => {
    for (const keychain of ["shut", "none"] as const) {
      const refused = await latchkey(["auth", "logout"], { keychain });
      assert.equal(refused.code, 1, refused.stderr);
      assert.match(refused.stderr, /does not give the key of profile DEFAULT, so it stays valid; nothing was done/);
      assert.equal(await kept(), 1);
      assert.match((await well(["me"])).stdout, /ada@example\.com/);
    }
    const forced = await well(["auth", "logout", "--yes"], { keychain: "none" });
    assert.match(forced.stderr, /^Forgot profile DEFAULT, but .* stays valid/m);
    assert.equal((await latchkey(["me"])).code, 3);
    await well(["auth", "--api-key-stdin"], { input: api_key });
    assert.equal(await kept(), 1);
  });

  test("forgets it at logout", async () => {
    await well(["auth", "logout"]);
    assert.equal(await kept(), 0);
    assert.equal((await latchkey(["me"])).code, 3);
  });

  for (const [keychain, name] of [
    ["shut", "that nobody has opened"],
    ["none", "that is missing"],
  ] as const) {
    test(`${name} is no keychain: the key goes into the private file`, async () => {
      const { api_key: fresh } = await server.setup();
      const signed_in = await well(["auth", "--api-key-stdin"], { input: fresh, keychain });
      assert.match(signed_in.stderr, /the key is kept in \S+profiles\.json/);
      assert.ok((await file()).includes(fresh));
      assert.match((await well(["me"], { keychain })).stdout, /ada@example\.com/);
      assert.equal(await kept(), 0);
    });
  }
});
