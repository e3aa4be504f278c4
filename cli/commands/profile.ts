import { createApiKey, listApiKeys, revokeApiKey } from "@latchkey/contract/api-keys.ts";
import { type CommandFile, command, flag } from "../command.ts";
import { hintOf } from "../credentials/holders.ts";
import type { Profile } from "../credentials/profiles.ts";
import { CliError } from "../exit.ts";
import { withSpinner } from "../terminal/terminal.ts";
import { successorName } from "./api-keys.ts";
import { forget, readKey, signInWithKey } from "./auth.ts";

const nameArgument = { name: { summary: "Name of the profile", required: true } } as const;

const list = command({
  name: "list",
  summary: "List profiles, the server and account of each, and where its credential is",
  async run(invocation) {
    const profiles = await invocation.profiles.list();
    const data = Object.entries(profiles).map(([name, profile]) => ({ name, ...profile }));
    const empty = "There are no profiles. Make one with `latchkey auth`.";
    await invocation.print({ data, fields: ["name", "host", "account", "type", "store", "created_at"], empty });
  },
});

const create = command({
  name: "create",
  summary: "Sign in with an API key under a name, or replace what the name holds",
  args: nameArgument,
  options: {
    "api-key-stdin": flag("Read the API key from standard input"),
    keyring: flag("Keep the credential in a file even where there is a system keychain", { on: true }),
  },
  examples: [['echo "$KEY" | latchkey profile create work --api-key -', "Store a key that you have"]],
  async run(invocation, { args, options }) {
    const key = await readKey(invocation, options["api-key-stdin"]);
    const profile = await signInWithKey(invocation, args.name, key, options.keyring);
    await invocation.print({ data: { name: args.name, ...profile }, fields: ["name", "host", "account", "store"] });
  },
});

const remove = command({
  name: "remove",
  summary: "Forget a profile and end its login; a key itself stays valid",
  args: nameArgument,
  async run(invocation, { args }) {
    if (!(await invocation.profiles.find(args.name))) {
      throw new CliError("not_found", `there is no profile ${args.name}`, "see `latchkey profile list`");
    }
    await invocation.confirmByName("The credential of this profile is forgotten", args.name);
    await forget(invocation, args.name);
  },
});

const rotateKey = command({
  name: "rotate-key",
  summary: "Put a fresh personal key into a profile, and revoke the one that it replaces",
  args: nameArgument,
  options: { keyring: flag("Keep the credential in a file even where there is a system keychain", { on: true }) },
  async run(invocation, { args, options }) {
    const profile = await invocation.profiles.find(args.name);
    const old = await invocation.profiles.credential(args.name);
    if (!profile || !old) {
      throw new CliError("not_found", `there is no profile ${args.name}`, "see `latchkey profile list`");
    }
    if (!old.api_key.startsWith("lk_user_")) {
      throw new CliError(
        "refused",
        "only a personal key can make its successor",
        "use `latchkey api-keys rotate --org-id`",
      );
    }
    const before = invocation.clientOf(old.host, old.api_key);
    const { created, old_id } = await withSpinner(invocation.terminal, "Rotating the key", async () => {
      const keys = await before.call(listApiKeys, { signal: invocation.signal });
      const own = keys.filter(({ hint }) => hint === hintOf(old.api_key));
      const [only] = own;
      if (!only || own.length > 1) {
        throw new CliError(
          "failed",
          "it cannot be told which key this is",
          "use `latchkey api-keys rotate` with its ID",
        );
      }
      const name = successorName(only.name, new Set(keys.map(({ name }) => name)));
      return { created: await before.call(createApiKey, { body: { key_name: name } }), old_id: only.id };
    });
    const credential = { ...old, api_key: created.key };
    let saved: Profile;
    try {
      saved = await invocation.profiles.save(args.name, credential, profile.account, options.keyring);
    } catch (error) {
      // A key that nobody holds must not stay behind.
      await before.call(revokeApiKey, { params: { key_id: created.id } }).catch(() => {});
      throw error;
    }
    // With the new key: that it works is proven before the old one is gone.
    await invocation.clientOf(old.host, created.key).call(revokeApiKey, { params: { key_id: old_id } });
    invocation.note(`Profile ${args.name} holds key ${created.id} now; key ${old_id} is revoked.`);
    await invocation.print({ data: { name: args.name, ...saved }, fields: ["name", "host", "account", "store"] });
  },
});

export default { commands: [list, create, rotateKey, remove] } satisfies CommandFile;
