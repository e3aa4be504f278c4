import {
  getOrganizationMember,
  getOrganizationMembers,
  removeOrganizationMember,
  updateOrganizationMember,
} from "@latchkey/contract/organizations.ts";
import { chooseOrganization, pickForChange } from "../choose-resource.ts";
import { type CommandFile, command, text } from "../command.ts";
import { CliError } from "../exit.ts";
import type { Invocation } from "../invocation.ts";

const orgOption = { "org-id": text("Organization ID") } as const;
const memberArgument = { member: { summary: "Member ID or e-mail address" } } as const;

async function findMembers(invocation: Invocation, org_id: string) {
  return await invocation.working("Listing members", (client) =>
    client.all(getOrganizationMembers, { params: { org_id }, signal: invocation.signal }),
  );
}

/** The member of this id or address; the one that the person picks when none is named. */
async function getMember(invocation: Invocation, org_id: string, wanted: string | undefined) {
  if (wanted === undefined) {
    return await pickForChange(invocation, "member", "latchkey members list", async () =>
      (await findMembers(invocation, org_id)).map((found) => ({
        ...found,
        id: found.member.id,
        name: found.user.email,
      })),
    );
  }
  const found = (await findMembers(invocation, org_id)).find(
    ({ member, user }) => member.id === wanted || user.email.toLowerCase() === wanted.toLowerCase(),
  );
  if (!found) throw new CliError("not_found", `no member ${wanted} in ${org_id}`, "see `latchkey members list`");
  return found;
}

const list = command({
  name: "list",
  summary: "List the members of an organization",
  options: orgOption,
  async run(invocation, { options }) {
    const data = await findMembers(invocation, await chooseOrganization(invocation, options["org-id"]));
    await invocation.print({
      data,
      fields: ["member.id", "user.email", "user.name", "member.role", "member.joined_at"],
    });
  },
});

const get = command({
  name: "get",
  summary: "Get a member",
  args: memberArgument,
  options: orgOption,
  async run(invocation, { args, options }) {
    const org_id = await chooseOrganization(invocation, options["org-id"]);
    const { member } = await getMember(invocation, org_id, args.member);
    const data = await invocation.working("Getting the member", (client) =>
      client.call(getOrganizationMember, { params: { org_id, member_id: member.id }, signal: invocation.signal }),
    );
    await invocation.print({ data, fields: ["id", "user_id", "role", "joined_at"] });
  },
});

const update = command({
  name: "update",
  summary: "Change a member role",
  args: memberArgument,
  options: { ...orgOption, role: text("The member role", { required: true, choices: ["admin", "member"] }) },
  async run(invocation, { args, options }) {
    const org_id = await chooseOrganization(invocation, options["org-id"]);
    const { member } = await getMember(invocation, org_id, args.member);
    const data = await invocation.working("Changing the member role", (client) =>
      client.call(updateOrganizationMember, {
        params: { org_id, member_id: member.id },
        body: { role: options.role },
      }),
    );
    await invocation.print({ data, fields: ["id", "role"] });
  },
});

const remove = command({
  name: "remove",
  summary: "Remove a member, or leave",
  args: memberArgument,
  options: orgOption,
  async run(invocation, { args, options }) {
    const org_id = await chooseOrganization(invocation, options["org-id"]);
    const found = await getMember(invocation, org_id, args.member);
    await invocation.confirmByName(`${found.user.email} loses access to ${org_id} at once`, found.user.email);
    await invocation.working("Removing the member", (client) =>
      client.call(removeOrganizationMember, { params: { org_id, member_id: found.member.id } }),
    );
    await invocation.print({ data: found.member, fields: ["id", "role"] });
    invocation.note(`${found.user.email} is no longer a member of ${org_id}.`);
  },
});

export default { commands: [list, get, update, remove] } satisfies CommandFile;
