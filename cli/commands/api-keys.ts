import {
  createApiKey,
  createOrgApiKey,
  type ListedKey,
  listApiKeys,
  listOrgApiKeys,
  revokeApiKey,
  revokeOrgApiKey,
} from "@latchkey/contract/api-keys.ts";
import { getProject } from "@latchkey/contract/projects.ts";
import type { Client } from "@latchkey/sdk";
import { type CommandFile, command, flag, text } from "../command.ts";
import { findHolders, type Holder, isTokenOf, replaceInAll } from "../credentials/holders.ts";
import { CliError } from "../exit.ts";
import type { Invocation } from "../invocation.ts";
import { pick } from "../terminal/prompt.ts";

/**
 * API keys. How far a key reaches is only ever taken from an option: a linked directory must not turn a
 * personal key into a project's or the other way round, so the context file is not read here.
 */
const FIELDS = ["id", "name", "hint", "created_at", "last_used_at", "last_used_from_addr"];
const ORG_FIELDS = ["id", "name", "project_id", "hint", "created_at", "last_used_at", "last_used_from_addr"];
const NAME_LIMIT = 64;

const orgOption = (what: string) => ({ "org-id": text(`${what} of this organization instead of your own`) }) as const;
const keyArgument = { id: { summary: "Key ID, as `list` shows it" } } as const;

/** The token alone, so that a pipe hands it on; everything about the key when JSON or YAML is asked for. */
async function printNewKey(
  invocation: Invocation,
  created: { id: number; name: string; key: string },
  org_id: string | undefined,
  holders: readonly Holder[] = [],
): Promise<void> {
  const { shows_results, shows_notes } = invocation.terminal;
  if (shows_results && shows_notes && !invocation.wants_whole) {
    invocation.note("Keep this safe: it is shown once, and whoever can scroll back in this terminal can read it.");
  }
  await invocation.printSecret(created.key, created, async (reason) => {
    const problem = `nobody took the token of the new key ${created.id} (${reason})`;
    const [holder] = holders;
    if (holder) return new CliError("failed", `${problem}; profile ${holder.profile} holds it`);
    // A key that nobody holds must not stay behind.
    const is_revoked = await invocation
      .client()
      .then((client) => revokeKey(client, created.id, org_id))
      .then(
        () => true,
        () => false,
      );
    if (is_revoked) return new CliError("failed", `${problem}, so it was revoked again`);
    const owner = org_id === undefined ? "" : ` --org-id ${org_id}`;
    return new CliError("failed", problem, `it works all the same: latchkey api-keys revoke ${created.id}${owner}`);
  });
  if (shows_notes && !invocation.wants_whole) {
    invocation.note(`Created key ${created.id}, ${JSON.stringify(created.name)}.`);
  }
}

async function createKey(client: Client, name: string, org_id: string | undefined, project_id: string | undefined) {
  if (org_id === undefined) return await client.call(createApiKey, { body: { key_name: name } });
  const body = { key_name: name, ...(project_id === undefined ? {} : { project_id }) };
  return await client.call(createOrgApiKey, { params: { org_id }, body });
}

async function listKeys(client: Client, org_id: string | undefined, signal: AbortSignal): Promise<ListedKey[]> {
  if (org_id === undefined) return await client.call(listApiKeys, { signal });
  return await client.call(listOrgApiKeys, { params: { org_id }, signal });
}

async function revokeKey(client: Client, key_id: number, org_id: string | undefined) {
  if (org_id === undefined) return await client.call(revokeApiKey, { params: { key_id } });
  return await client.call(revokeOrgApiKey, { params: { org_id, key_id } });
}

/** The key that an id names, or that the person picks, and all that there are. */
async function chooseKey(
  invocation: Invocation,
  id: string | undefined,
  org_id: string | undefined,
): Promise<{ readonly key: ListedKey; readonly all: readonly ListedKey[] }> {
  if (id !== undefined && !/^[1-9]\d{0,15}$/.test(id)) {
    throw new CliError("usage", `${id} is not a key's ID, which is a number`, "see `latchkey api-keys list`");
  }
  const keys = await invocation.working("Listing keys", (client) => listKeys(client, org_id, invocation.signal));
  if (id !== undefined) {
    const found = keys.find((key) => String(key.id) === id);
    if (found) return { key: found, all: keys };
    const elsewhere = org_id === undefined ? "; a key of an organization needs --org-id" : "";
    throw new CliError("not_found", `there is no key ${id}${elsewhere}`, "see `latchkey api-keys list`");
  }
  if (!invocation.terminal.has_person)
    throw new CliError("usage", "which key? Name its ID", "see `latchkey api-keys list`");
  if (keys.length === 0) throw new CliError("not_found", "there are no keys");
  const key = await pick("Which key?", keys, ({ id, name, hint }) => `${name} (${id}, …${hint})`);
  return { key, all: keys };
}

const list = command({
  name: "list",
  summary: "List API keys of your account, or of an organization",
  options: orgOption("List the keys"),
  async run(invocation, { options }) {
    const org_id = options["org-id"];
    const data = await invocation.working("Listing keys", (client) => listKeys(client, org_id, invocation.signal));
    await invocation.print({
      data,
      fields: org_id === undefined ? FIELDS : ORG_FIELDS,
      empty: "There are no API keys.",
    });
  },
});

const create = command({
  name: "create",
  summary: "Create an API key; its token is printed once, alone on stdout",
  options: {
    name: text("What the key is for", { required: true }),
    ...orgOption("Create a key"),
    "project-id": text("Create a key that reaches this project only; its organization is looked up"),
  },
  examples: [
    ["latchkey api-keys create --name ci | gh secret set NEON_API_KEY", "Hand the token on without showing it"],
    ["latchkey api-keys create --name ci --project-id plain-forest-12345678", "A key for one project"],
  ],
  async run(invocation, { options }) {
    const project_id = options["project-id"];
    let org_id = options["org-id"];
    const created = await invocation.working("Creating the key", async (client) => {
      if (project_id !== undefined) {
        const { project } = await client.call(getProject, { params: { project_id }, signal: invocation.signal });
        if (org_id !== undefined && org_id !== project.org_id) {
          throw new CliError("usage", `project ${project_id} belongs to ${project.org_id}, not to ${org_id}`);
        }
        org_id = project.org_id;
      }
      return await createKey(client, options.name, org_id, project_id);
    });
    await printNewKey(invocation, created, org_id);
  },
});

const revoke = command({
  name: "revoke",
  summary: "Revoke an API key; whatever uses it stops working at once",
  args: keyArgument,
  options: orgOption("Revoke a key"),
  async run(invocation, { args, options }) {
    const org_id = options["org-id"];
    const { key, all } = await chooseKey(invocation, args.id, org_id);
    await invocation.confirmByName(`Whatever uses key ${key.id} stops working at once, for good`, key.name);
    const data = await invocation.working("Revoking the key", (client) => revokeKey(client, key.id, org_id));
    await invocation.print({ data, fields: ["id", "name", "revoked", "last_used_at"] });
    const { host } = await invocation.target();
    for (const { profile } of await findHolders(invocation.profiles, host, (token) =>
      isTokenOf(token, key, org_id, all),
    )) {
      invocation.note(`Profile ${profile} held it: sign in again with \`latchkey auth --profile ${profile}\`.`);
    }
  },
});

const rotate = command({
  name: "rotate",
  summary: "Create a successor with the same reach, print its token, and revoke the old key when told to",
  args: keyArgument,
  options: {
    ...orgOption("Rotate a key"),
    name: text("Name of the successor; default: the old name with a number"),
    "revoke-old": flag("Revoke the old key at once, without asking"),
  },
  examples: [
    ["latchkey api-keys rotate 17 | gh secret set NEON_API_KEY", "Both keys work until the old one is revoked"],
    ["latchkey api-keys rotate 17 --revoke-old", "Only the new key works"],
  ],
  async run(invocation, { args, options }) {
    const org_id = options["org-id"];
    const { key: old, all } = await chooseKey(invocation, args.id, org_id);
    const isOld = (token: string) => isTokenOf(token, old, org_id, all);
    const target = await invocation.target();
    const holders = await findHolders(invocation.profiles, target.host, isOld);
    const created = await invocation.working("Creating the successor", async (client) => {
      const name = options.name ?? successorName(old.name, new Set(all.map(({ name }) => name)));
      const made = await createKey(client, name, org_id, old.project_id);
      try {
        await replaceInAll(invocation.profiles, holders, made.key);
      } catch (error) {
        // A key that nobody holds must not stay behind.
        await revokeKey(client, made.id, org_id).catch(() => {});
        throw error;
      }
      return made;
    });
    await printNewKey(invocation, created, org_id, holders);
    for (const { profile } of holders) invocation.note(`Profile ${profile} holds the new key now.`);
    const is_own = target.api_key !== undefined && isOld(target.api_key);
    if (is_own && !target.source.startsWith("profile ")) {
      invocation.note(`${target.source} still holds the old key: put the new one there.`);
    }
    // With its own successor, where a key rotates itself: that this one works is proven before the old one is gone.
    const client = is_own ? invocation.clientOf(target.host, created.key) : await invocation.client();
    await retire(invocation, client, old, org_id, options["revoke-old"]);
  },
});

/** After the successor is out: nothing that goes wrong here may look as if there were no new key. */
async function retire(
  invocation: Invocation,
  client: Client,
  old: ListedKey,
  org_id: string | undefined,
  now: boolean,
): Promise<void> {
  const owner = org_id === undefined ? "" : ` --org-id ${org_id}`;
  const by_hand = `latchkey api-keys revoke ${old.id}${owner}`;
  const question = `Revoke the old key ${old.id}, ${JSON.stringify(old.name)}, now?`;
  if (!now && !(invocation.terminal.has_person && !invocation.global.yes && (await invocation.confirm(question)))) {
    return invocation.note(`The old key ${old.id} still works. When nothing uses it any more: ${by_hand}`);
  }
  try {
    await invocation.working("Revoking the old key", () => revokeKey(client, old.id, org_id));
  } catch (error) {
    invocation.note(`The new key works, but the old one could not be revoked. Try again: ${by_hand}`);
    throw error;
  }
  invocation.note(`The old key ${old.id} is revoked.`);
}

/** `ci` becomes `ci (2)`, that becomes `ci (3)`; shortened so that the number fits Neon's limit of 64. */
export function successorName(name: string, taken: ReadonlySet<string>): string {
  const [, stem = name, number = "1"] = /^(.*) \((\d{1,6})\)$/s.exec(name) ?? [];
  for (let next = Number(number) + 1; ; next++) {
    const tail = ` (${next})`;
    const candidate =
      Array.from(stem)
        .slice(0, NAME_LIMIT - tail.length)
        .join("") + tail;
    if (!taken.has(candidate)) return candidate;
  }
}

export default { commands: [list, create, revoke, rotate] } satisfies CommandFile;
