import * as contract from "@latchkey/contract/organizations.ts";
import { type Route, route } from "../route.ts";
import { describeOrganization, insertOrganization, renameOrganization } from "./store.ts";

export function organizationRoutes(): Route[] {
  return [
    route(contract.getOrganization, {
      requires: { on: "organization", action: "organization.read" },
      run: async (access) => describeOrganization(access.organization),
    }),
    route(contract.createOrganization, {
      requires: { on: "person", action: "organization.create" },
      run: async ({ tx, user_id }, { body }) =>
        describeOrganization(await insertOrganization(tx, user_id, body.organization.name, { personal: false })),
      audit: (_, { id }) => ({ subject: `organization:${id}`, org_id: id }),
    }),
    route(contract.updateOrganization, {
      requires: { on: "organization", action: "organization.update" },
      run: async (access, { body }) => await renameOrganization(access, body.organization.name),
      audit: (_, { id }) => ({ subject: `organization:${id}`, org_id: id }),
    }),
  ];
}
