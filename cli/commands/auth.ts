import { apiUrl } from "@latchkey/sdk";
import { type CommandFile, command, flag } from "../command.ts";
import { chooseTarget, DEFAULT_HOST } from "../credentials/choose.ts";
import { revokeLogin, signInByBrowser, signInByDevice } from "../credentials/login.ts";
import { type Credential, DEFAULT_PROFILE, type Login, type Profile } from "../credentials/profiles.ts";
import { CliError } from "../exit.ts";
import type { Invocation } from "../invocation.ts";
import { openBrowser } from "../terminal/open-browser.ts";
import { askSecret } from "../terminal/prompt.ts";
import { readStdin, withSpinner } from "../terminal/terminal.ts";
import { whoIs } from "./me.ts";

/**
 * Signing in: a credential is tried, then kept under a profile, bound to the server that took it. It is an API
 * key that a person has, or a login that they approve in a browser, here or elsewhere.
 */
export async function signInWithKey(invocation: Invocation, profile: string, api_key: string, use_keyring: boolean) {
  const { host } = await hostToSignInTo(invocation, profile);
  return await keep(invocation, profile, { type: "api_key", host, api_key }, use_keyring);
}

async function keep(invocation: Invocation, profile: string, credential: Credential, use_keyring: boolean) {
  const { host, api_key, type } = credential;
  const client = invocation.clientOf(host, api_key);
  const who = await withSpinner(invocation.terminal, `Signing in to ${host}`, () => whoIs(client, invocation.signal));
  const account = who.person?.email ?? who.key?.account_id ?? "";
  const replaced = await invocation.profiles.credential(profile);
  const saved = await invocation.profiles.save(profile, credential, account, use_keyring);
  // Nobody could end it from here any more.
  if (replaced?.type === "oauth") await revokeLogin(replaced);
  const place = saved.store === "keychain" ? "the system's keychain" : invocation.profiles.file;
  const what = type === "oauth" ? "login" : "key";
  invocation.note(`Signed in to ${host} as ${account}, profile ${profile}; the ${what} is kept in ${place}.`);
  return saved;
}

async function signInThroughBrowser(invocation: Invocation, profile: string, elsewhere: boolean, use_keyring: boolean) {
  const { environment, signal, terminal } = invocation;
  if (environment.CI) {
    throw new CliError("usage", "nobody is here to sign in", "pipe a key in: latchkey auth --api-key-stdin < key.txt");
  }
  const { host } = await hostToSignInTo(invocation, profile);
  const wait = async (signIn: () => Promise<Login>) => await withSpinner(terminal, "Waiting for the browser", signIn);
  const login = elsewhere
    ? await wait(() =>
        signInByDevice(host, signal, ({ user_code, verification_uri }) =>
          invocation.note(`Open ${verification_uri} in a browser, anywhere, and type this code:\n\n  ${user_code}\n`),
        ),
      )
    : await wait(() =>
        signInByBrowser(host, signal, (url) => {
          invocation.note(`Sign in at this address, which your browser should show by now:\n\n  ${url}\n`);
          invocation.note("No browser on this machine? End this with Ctrl-C, and use `latchkey auth --device`.");
          openBrowser(url, environment);
        }),
      );
  return await keep(invocation, profile, login, use_keyring);
}

/** Forgets a profile; a login is ended at its server too, a key is not ours to end. False when there is none. */
export async function forget(invocation: Invocation, profile: string): Promise<boolean> {
  const stored = await invocation.profiles.find(profile);
  if (!stored) return false;
  const credential = await invocation.profiles.credential(profile);
  if (stored.store === "keychain" && credential === undefined) {
    await forgetUnread(invocation, profile, stored);
    return true;
  }
  await invocation.profiles.remove(profile);
  if (credential?.type !== "oauth") {
    invocation.note(
      `Signed out of profile ${profile}. Its key still works elsewhere; \`latchkey api-keys revoke\` ends it.`,
    );
  } else if (await revokeLogin(credential)) {
    invocation.note(`Signed out of profile ${profile}; its login has ended.`);
  } else {
    invocation.note(
      `Signed out of profile ${profile}, but its server could not be told: end the login in the Console, under Command lines.`,
    );
  }
  return true;
}

/** Where the keychain does not give the secret, neither it nor the login can be ended: that is not a sign-out, and is asked about. */
async function forgetUnread(invocation: Invocation, profile: string, { type }: Profile): Promise<void> {
  const what = type === "oauth" ? "login" : "key";
  const where = type === "oauth" ? "end it in the Console, under Command lines" : "revoke it in the Console";
  const problem = `the system's keychain does not give the ${what} of profile ${profile}, so it stays valid`;
  if (!(await invocation.confirm(`Forget the profile all the same? For ${problem}.`))) {
    throw new CliError("failed", `${problem}; nothing was done`, `open the keychain, or use --yes and ${where}`);
  }
  await invocation.profiles.remove(profile);
  invocation.note(`Forgot profile ${profile}, but ${problem}: ${where}.`);
}

/** The named server, else the one that the profile was for before. */
async function hostToSignInTo(invocation: Invocation, profile: string) {
  const { host, "api-key": _ } = invocation.global;
  const named = host ?? (invocation.environment.LATCHKEY_URL || invocation.environment.NEON_API_HOST || undefined);
  const before = (await invocation.profiles.find(profile))?.host;
  const nothing = { find: async () => undefined, credential: async () => undefined };
  return await chooseTarget(
    { host: named ?? before ?? DEFAULT_HOST, profile: undefined, "api-key": undefined },
    {},
    nothing,
    (url) => apiUrl(url).href,
  );
}

/** The key to sign in with: from `--api-key` (`-` for standard input), a pipe, or typed without being shown. */
export async function readKey(invocation: Invocation, from_stdin: boolean): Promise<string> {
  const given = invocation.global["api-key"];
  if (from_stdin || given === "-") return (await readStdin("the API key")).trim();
  if (given !== undefined) {
    invocation.warnOfHistory();
    return given.trim();
  }
  if (!invocation.terminal.has_person) {
    throw new CliError("usage", "nobody is here to type a key", "pipe it in: latchkey auth --api-key-stdin < key.txt");
  }
  invocation.note("Create an API key in the Console, under API keys, and paste it here. It is not shown.");
  const key = await askSecret("API key:");
  if (key === "") throw new CliError("interrupted", "no key was given; nothing was done");
  return key;
}

const self = command({
  name: "auth",
  summary: "Sign in, and keep the credential for later commands",
  options: {
    device: flag("Show a code to type into a browser elsewhere, for a machine that has none"),
    "api-key-prompt": flag("Type an API key instead; it is not shown"),
    "api-key-stdin": flag("Read an API key from standard input"),
    keyring: flag("Keep the credential in a file even where there is a system keychain", { on: true }),
  },
  examples: [
    ["latchkey auth --host https://keys.example.com", "Sign in to a server, in your browser"],
    ["latchkey auth --device", "Sign in from a machine without a browser"],
    ["pass show latchkey | latchkey auth --api-key-stdin --profile work", "Sign in with a key from a password store"],
  ],
  async run(invocation, { options }) {
    const profile = invocation.global.profile ?? (invocation.environment.LATCHKEY_PROFILE || DEFAULT_PROFILE);
    if (options["api-key-stdin"] || options["api-key-prompt"] || invocation.global["api-key"] !== undefined) {
      const key = await readKey(invocation, options["api-key-stdin"]);
      await signInWithKey(invocation, profile, key, options.keyring);
    } else {
      await signInThroughBrowser(invocation, profile, options.device, options.keyring);
    }
  },
});

const logout = command({
  name: "logout",
  summary: "End the login of a profile; a key is forgotten, and itself stays valid",
  async run(invocation) {
    const profile = invocation.global.profile ?? (invocation.environment.LATCHKEY_PROFILE || DEFAULT_PROFILE);
    if (!(await forget(invocation, profile))) invocation.note(`Profile ${profile} was not signed in.`);
  },
});

export default { self, commands: [logout] } satisfies CommandFile;
