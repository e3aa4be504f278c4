import Type, { type Static } from "typebox";
import { Body, Nullable, PRINTABLE, ResourceId, Timestamp, Uuid } from "./common.ts";
import { contract } from "./route.ts";

const tag = "API keys";

/** Neon's limit: 64 characters. Control characters would spoil every list and log that shows the name. */
const KeyName = Type.String({
  minLength: 1,
  maxLength: 64,
  pattern: PRINTABLE,
  description: "What the key is for, 1 to 64 characters; unique among the owner's live keys.",
});
const KeyId = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
const Token = Type.String({ description: "The secret token. This answer is the only one that ever holds it." });

const ProjectScope = { project_id: Type.Optional(ResourceId) };

const Named = { id: KeyId, name: Type.String(), created_at: Timestamp };
const Use = {
  last_used_at: Nullable(Timestamp),
  last_used_from_addr: Type.String({ description: 'Address of the latest use, "" before the first.' }),
};

const Creator = Type.Object({ id: Uuid, name: Type.String(), image: Type.String() });

export const CreatedKey = Type.Object({ ...Named, key: Token, created_by: Uuid });
export const CreatedOrganizationKey = Type.Object({ ...Named, key: Token, created_by: Uuid, ...ProjectScope });
export type CreatedKey = Static<typeof CreatedOrganizationKey>;

const ListedFields = {
  ...Named,
  created_by: Creator,
  ...Use,
  last_used_user_agent: Type.String({ description: "Ours: what the latest client called itself." }),
  hint: Type.String({ description: "Ours: the last four characters of the random part." }),
};
export const ListedKey = Type.Object(ListedFields);
export const ListedOrganizationKey = Type.Object({ ...ListedFields, ...ProjectScope });
export type ListedKey = Static<typeof ListedOrganizationKey>;

const RevokedFields = { ...Named, created_by: Uuid, ...Use, revoked: Type.Boolean() };
export const RevokedKey = Type.Object(RevokedFields);
export const RevokedOrganizationKey = Type.Object({ ...RevokedFields, ...ProjectScope });
export type RevokedKey = Static<typeof RevokedOrganizationKey>;

export const listApiKeys = contract({
  id: "listApiKeys",
  method: "GET",
  path: "/api_keys",
  tag,
  summary: "List your personal API keys, newest first",
  status: 200,
  response: Type.Array(ListedKey),
});

export const createApiKey = contract({
  id: "createApiKey",
  method: "POST",
  path: "/api_keys",
  tag,
  summary: "Create a personal API key",
  description: "The key reaches every organization and project that its person belongs to at the time of use.",
  body: Body({ key_name: KeyName }),
  status: 200,
  response: CreatedKey,
  secret: true,
});

export const revokeApiKey = contract({
  id: "revokeApiKey",
  method: "DELETE",
  path: "/api_keys/{key_id}",
  tag,
  summary: "Revoke a personal API key, at once and for ever",
  params: Type.Object({ key_id: KeyId }),
  status: 200,
  response: RevokedKey,
});

export const listOrgApiKeys = contract({
  id: "listOrgApiKeys",
  method: "GET",
  path: "/organizations/{org_id}/api_keys",
  tag,
  summary: "List the API keys of an organization, project-scoped ones included, newest first",
  params: Type.Object({ org_id: ResourceId }),
  status: 200,
  response: Type.Array(ListedOrganizationKey),
});

export const createOrgApiKey = contract({
  id: "createOrgApiKey",
  method: "POST",
  path: "/organizations/{org_id}/api_keys",
  tag,
  summary: "Create an organization API key, or a project-scoped one",
  description:
    "Only with personal credentials: an organization or project-scoped key cannot make keys. " +
    "With `project_id` the key reaches that one project, at member level.",
  params: Type.Object({ org_id: ResourceId }),
  body: Body({ key_name: KeyName, project_id: Type.Optional(ResourceId) }),
  status: 200,
  response: CreatedOrganizationKey,
  secret: true,
});

export const revokeOrgApiKey = contract({
  id: "revokeOrgApiKey",
  method: "DELETE",
  path: "/organizations/{org_id}/api_keys/{key_id}",
  tag,
  summary: "Revoke an API key of an organization, at once and for ever",
  params: Type.Object({ org_id: ResourceId, key_id: KeyId }),
  status: 200,
  response: RevokedOrganizationKey,
});
