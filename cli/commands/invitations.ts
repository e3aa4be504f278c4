import {
  acceptInvitation,
  createOrganizationInvitations,
  getOrganizationInvitations,
  revokeOrganizationInvitation,
} from "@latchkey/contract/organizations.ts";
import { chooseOrganization, pickForChange } from "../choose-resource.ts";
import { type CommandFile, command, text } from "../command.ts";
import { CliError } from "../exit.ts";
import type { Invocation } from "../invocation.ts";

const orgOption = { "org-id": text("Organization ID") } as const;
const FIELDS = ["id", "email", "role", "invited_at", "expires_at"];

async function findInvitations(invocation: Invocation, org_id: string) {
  const { invitations } = await invocation.working("Listing invitations", (client) =>
    client.call(getOrganizationInvitations, { params: { org_id }, signal: invocation.signal }),
  );
  return invitations;
}

/** The open invitation of this id or address; the one that the person picks when none is named. */
async function getInvitation(invocation: Invocation, org_id: string, wanted: string | undefined) {
  const see = "latchkey invitations list";
  if (wanted === undefined) {
    return await pickForChange(invocation, "invitation", see, async () =>
      (await findInvitations(invocation, org_id)).map((found) => ({ ...found, name: found.email })),
    );
  }
  const found = (await findInvitations(invocation, org_id)).find(
    ({ id, email }) => id === wanted || email.toLowerCase() === wanted.toLowerCase(),
  );
  if (!found) throw new CliError("not_found", `no open invitation ${wanted} in ${org_id}`, `see \`${see}\``);
  return found;
}

const list = command({
  name: "list",
  summary: "List the open invitations of an organization",
  options: orgOption,
  async run(invocation, { options }) {
    const org_id = await chooseOrganization(invocation, options["org-id"]);
    const empty = "No invitation is open.";
    await invocation.print({ data: await findInvitations(invocation, org_id), fields: FIELDS, empty });
  },
});

const create = command({
  name: "create",
  aliases: ["invite"],
  summary: "Invite people by e-mail; where the server sends no mail, their links are printed once",
  args: { emails: { summary: "E-mail addresses", rest: true } },
  options: { ...orgOption, role: text("The member role; default: member", { choices: ["admin", "member"] }) },
  examples: [["latchkey invitations create eve@example.com --role admin", "Invite an admin"]],
  async run(invocation, { args, options }) {
    const { emails } = args;
    if (emails.length === 0) throw new CliError("usage", "whom? Name an e-mail address, or several");
    const org_id = await chooseOrganization(invocation, options["org-id"]);
    const role = options.role ?? "member";
    const { invitations } = await invocation.working("Inviting", (client) =>
      client.call(createOrganizationInvitations, {
        params: { org_id },
        body: { invitations: emails.map((email) => ({ email, role })) },
      }),
    );
    await invocation.print({ data: invitations, fields: ["email", "role", "expires_at", "accept_url"] });
    if (!invocation.terminal.shows_notes) return;
    const has_links = invitations.some(({ accept_url }) => accept_url !== undefined);
    invocation.note(
      has_links ? "Pass each link on to its person: it is shown once." : "The invitations were sent by e-mail.",
    );
  },
});

const revoke = command({
  name: "revoke",
  summary: "Withdraw an open invitation",
  args: { invitation: { summary: "Invitation ID or e-mail address" } },
  options: orgOption,
  async run(invocation, { args, options }) {
    const org_id = await chooseOrganization(invocation, options["org-id"]);
    const found = await getInvitation(invocation, org_id, args.invitation);
    await invocation.working("Withdrawing the invitation", (client) =>
      client.call(revokeOrganizationInvitation, { params: { org_id, invitation_id: found.id } }),
    );
    await invocation.print({ data: found, fields: ["id", "email", "role"] });
    if (invocation.terminal.shows_notes) invocation.note(`The link of ${found.email} works no more.`);
  },
});

const accept = command({
  name: "accept",
  summary: "Join an organization that you were invited to",
  args: { link: { summary: "The link of the invitation, or the token at its end", required: true } },
  async run(invocation, { args }) {
    const invitation_token = args.link.slice(args.link.indexOf("#") + 1);
    const organization = await invocation.working("Joining", (client) =>
      client.call(acceptInvitation, { body: { invitation_token } }),
    );
    await invocation.print({ data: organization, fields: ["id", "name"] });
  },
});

export default { commands: [list, create, revoke, accept] } satisfies CommandFile;
