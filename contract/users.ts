import Type, { type Static } from "typebox";
import { Body, OneOf, PRINTABLE, ResourceId, Timestamp, Uuid } from "./common.ts";
import { contract } from "./route.ts";

const tag = "Users";

/** The upper bound keeps a hash from being made expensive by its input. */
export const Password = Type.String({ minLength: 8, maxLength: 128 });
export const Email = Type.String({ format: "email", minLength: 3, maxLength: 254 });
export const PersonName = Type.String({ minLength: 1, maxLength: 256, pattern: PRINTABLE });

const AuthAccount = Type.Object({
  provider: Type.String(),
  email: Type.String(),
  login: Type.String(),
  name: Type.String(),
  image: Type.String(),
});

/** Neon's shape of the person who calls; limits of -1 mean that this instance sets none. */
export const CurrentUser = Type.Object({
  id: Uuid,
  email: Type.String(),
  login: Type.String(),
  name: Type.String(),
  last_name: Type.String(),
  image: Type.String(),
  plan: Type.String(),
  auth_accounts: Type.Array(AuthAccount),
  active_seconds_limit: Type.Integer(),
  projects_limit: Type.Integer(),
  branches_limit: Type.Integer(),
  max_autoscaling_limit: Type.Number(),
  instance_admin: Type.Boolean({ description: "Ours: whether the person administers this instance." }),
});
export type CurrentUser = Static<typeof CurrentUser>;

export const Organization = Type.Object({
  id: Type.String(),
  name: Type.String(),
  handle: Type.String(),
  plan: Type.String(),
  managed_by: Type.String(),
  created_at: Timestamp,
  updated_at: Timestamp,
  personal: Type.Boolean({ description: "Ours: the organization that was made with a person's account." }),
});
export type Organization = Static<typeof Organization>;

export const getCurrentUserInfo = contract({
  id: "getCurrentUserInfo",
  method: "GET",
  path: "/users/me",
  tag,
  summary: "The person who calls",
  status: 200,
  response: CurrentUser,
});

export const getCurrentUserOrganizations = contract({
  id: "getCurrentUserOrganizations",
  method: "GET",
  path: "/users/me/organizations",
  tag,
  summary: "The organizations that the caller belongs to",
  description: "An organization key is answered with its own organization.",
  status: 200,
  response: Type.Object({ organizations: Type.Array(Organization) }),
});

export const getAuthDetails = contract({
  id: "getAuthDetails",
  method: "GET",
  path: "/auth",
  tag,
  summary: "Whose credential this is, and of which kind",
  status: 200,
  response: Type.Object({
    account_id: Type.String(),
    auth_method: OneOf("keycloak", "session_cookie", "api_key_user", "api_key_org", "oauth"),
    auth_data: Type.Optional(Type.String()),
  }),
});

const Region = Type.Object({
  region_id: Type.String(),
  name: Type.String(),
  default: Type.Boolean(),
  geo_lat: Type.String(),
  geo_long: Type.String(),
  compute_sizes: Type.Array(Type.Number(), {
    description: "Ours: the sizes of computes, in CU, that the machine of this server has room for.",
  }),
});

export const getActiveRegions = contract({
  id: "getActiveRegions",
  method: "GET",
  path: "/regions",
  tag,
  summary: "The regions that projects can be created in",
  query: Type.Object({ org_id: Type.Optional(ResourceId) }),
  status: 200,
  response: Type.Object({ regions: Type.Array(Region) }),
});

export const getInstance = contract({
  id: "getInstance",
  method: "GET",
  path: "/instance",
  tag: "Sessions",
  summary: "What a visitor must know before signing in",
  status: 200,
  response: Type.Object({
    version: Type.String(),
    needs_setup: Type.Boolean({ description: "True until the first person exists." }),
    sign_up: OneOf("open", "invitation", "closed"),
    pools_connections: Type.Boolean({
      description: "Whether there is a pooler behind the names of computes' poolers.",
    }),
    sends_mail: Type.Boolean({ description: "Whether a forgotten password can be set anew by mail." }),
  }),
});

export const signUp = contract({
  id: "signUp",
  method: "POST",
  path: "/users",
  tag: "Sessions",
  summary: "Create your account and sign in",
  description:
    "The first person needs the `setup_token` that the server printed on its terminal and becomes instance " +
    "administrator. Later, an `invitation_token` is needed unless sign-up is open.",
  body: Body({
    email: Email,
    password: Password,
    name: PersonName,
    setup_token: Type.Optional(Type.String({ maxLength: 128 })),
    invitation_token: Type.Optional(Type.String({ maxLength: 128 })),
  }),
  status: 201,
  response: CurrentUser,
  secret: true,
});

export const changePassword = contract({
  id: "changePassword",
  method: "POST",
  path: "/users/me/password",
  tag: "Sessions",
  summary: "Change your password",
  description:
    "Ends your other sessions and the logins of your command lines: whoever knew the old password may have made them. " +
    "API keys stay.",
  body: Body({ current_password: Type.String({ minLength: 1, maxLength: 128 }), new_password: Password }),
  status: 200,
  response: Type.Object({ sessions_ended: Type.Integer(), oauth_grants_ended: Type.Integer() }),
});
