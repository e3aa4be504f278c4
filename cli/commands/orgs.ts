import { createOrganization, getOrganization, updateOrganization } from "@latchkey/contract/organizations.ts";
import { getCurrentUserOrganizations } from "@latchkey/contract/users.ts";
import { chooseOrganization, pickForChange } from "../choose-resource.ts";
import { type CommandFile, command, text } from "../command.ts";

const FIELDS = ["id", "name"];

const list = command({
  name: "list",
  summary: "List organizations",
  async run(invocation) {
    const { organizations } = await invocation.working("Listing organizations", (client) =>
      client.call(getCurrentUserOrganizations, { signal: invocation.signal }),
    );
    await invocation.print({ data: organizations, fields: FIELDS, empty: "You are in no organization." });
  },
});

const get = command({
  name: "get",
  summary: "Get an organization",
  args: { id: { summary: "Organization ID; the linked or only one if left out" } },
  async run(invocation, { args }) {
    const org_id = await chooseOrganization(invocation, args.id);
    const data = await invocation.working("Getting the organization", (client) =>
      client.call(getOrganization, { params: { org_id }, signal: invocation.signal }),
    );
    await invocation.print({ data, fields: [...FIELDS, "handle", "created_at"] });
  },
});

const create = command({
  name: "create",
  summary: "Create an organization; you become its admin",
  options: { name: text("The organization's name", { required: true }) },
  async run(invocation, { options }) {
    const data = await invocation.working("Creating the organization", (client) =>
      client.call(createOrganization, { body: { organization: { name: options.name } } }),
    );
    await invocation.print({ data, fields: FIELDS });
  },
});

const update = command({
  name: "update",
  summary: "Rename an organization",
  args: { id: { summary: "Organization ID" } },
  options: { name: text("The new name", { required: true }) },
  async run(invocation, { args, options }) {
    const org_id =
      args.id ??
      (
        await pickForChange(invocation, "organization", "latchkey orgs list", async (client) => {
          const { organizations } = await client.call(getCurrentUserOrganizations, { signal: invocation.signal });
          return organizations;
        })
      ).id;
    const data = await invocation.working("Renaming the organization", (client) =>
      client.call(updateOrganization, { params: { org_id }, body: { organization: { name: options.name } } }),
    );
    await invocation.print({ data, fields: FIELDS });
  },
});

export default { commands: [list, get, create, update] } satisfies CommandFile;
