import * as contract from "@latchkey/contract/api-keys.ts";
import { type Route, route } from "../route.ts";
import {
  insertOrganizationKey,
  insertPersonalKey,
  listOrganizationKeys,
  listPersonalKeys,
  revokeOrganizationKey,
  revokePersonalKey,
} from "./store.ts";

export function apiKeyRoutes(): Route[] {
  return [
    route(contract.listApiKeys, {
      requires: { on: "person", action: "personal_key.list" },
      run: async (access) => await listPersonalKeys(access),
    }),
    route(contract.createApiKey, {
      requires: { on: "person", action: "personal_key.create" },
      run: async (access, { body }) => await insertPersonalKey(access, body.key_name),
      audit: (_, key) => ({ subject: `api_key:${key.id}`, user_id: key.created_by }),
    }),
    route(contract.revokeApiKey, {
      requires: { on: "person", action: "personal_key.revoke" },
      run: async (access, { params }) => await revokePersonalKey(access, params.key_id),
      audit: ({ params }) => ({ subject: `api_key:${params.key_id}` }),
    }),
    route(contract.listOrgApiKeys, {
      requires: { on: "organization", action: "organization_key.list" },
      run: async (access) => await listOrganizationKeys(access),
    }),
    route(contract.createOrgApiKey, {
      requires: { on: "organization", action: "organization_key.create" },
      run: async (access, { body }) => await insertOrganizationKey(access, body.key_name, body.project_id),
      audit: ({ params, body }, key) => ({
        subject: `api_key:${key.id}`,
        org_id: params.org_id,
        ...(body.project_id === undefined ? {} : { project_id: body.project_id }),
      }),
    }),
    route(contract.revokeOrgApiKey, {
      requires: {
        on: "organization",
        action: ({ principal, params }) =>
          "api_key_id" in principal && principal.kind !== "person" && principal.api_key_id === params.key_id
            ? "organization_key.revoke_itself"
            : "organization_key.revoke",
      },
      run: async (access, { params }) => await revokeOrganizationKey(access, params.key_id),
      audit: ({ params }, key) => ({
        subject: `api_key:${key.id}`,
        org_id: params.org_id,
        ...(key.project_id === undefined ? {} : { project_id: key.project_id }),
      }),
    }),
  ];
}
