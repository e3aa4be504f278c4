import * as apiKeys from "@latchkey/contract/api-keys.ts";
import * as branchCreation from "@latchkey/contract/branch-creation.ts";
import * as branches from "@latchkey/contract/branches.ts";
import * as consumption from "@latchkey/contract/consumption.ts";
import * as databases from "@latchkey/contract/databases.ts";
import * as emptyLists from "@latchkey/contract/empty-lists.ts";
import * as endpointLogs from "@latchkey/contract/endpoint-logs.ts";
import * as endpoints from "@latchkey/contract/endpoints.ts";
import * as oauth from "@latchkey/contract/oauth.ts";
import * as operationRoutes from "@latchkey/contract/operations.ts";
import * as organizations from "@latchkey/contract/organizations.ts";
import * as passwordResets from "@latchkey/contract/password-resets.ts";
import * as projects from "@latchkey/contract/projects.ts";
import * as roles from "@latchkey/contract/roles.ts";
import type { ResponseOf, RouteContract } from "@latchkey/contract/route.ts";
import * as sessions from "@latchkey/contract/sessions.ts";
import * as users from "@latchkey/contract/users.ts";
import type { ArgumentsOf, Client } from "./client.ts";

/** Every operation of the API under its id, and a client with a method for each. Nothing here is written by hand twice. */
const modules = {
  ...apiKeys,
  ...branchCreation,
  ...branches,
  ...consumption,
  ...databases,
  ...emptyLists,
  ...endpointLogs,
  ...endpoints,
  ...oauth,
  ...operationRoutes,
  ...organizations,
  ...passwordResets,
  ...projects,
  ...roles,
  ...sessions,
  ...users,
};

type Modules = typeof modules;
type Operations = { [Name in keyof Modules as Modules[Name] extends RouteContract ? Name : never]: Modules[Name] };

/** The contracts of all operations by id; contract files export schemas as well, which are left out. */
export const operations = Object.fromEntries(
  Object.entries<unknown>(modules).filter(([, value]) => isRoute(value)),
) as unknown as Operations;

function isRoute(value: unknown): value is RouteContract {
  return typeof value === "object" && value !== null && "method" in value && "path" in value;
}

/** `api.listProjects({ query: { org_id } })` for every operation, with the client's types and errors. */
export type Api = {
  readonly [Name in keyof Operations]: (
    ...input: ArgumentsOf<Operations[Name] & RouteContract>
  ) => Promise<ResponseOf<Operations[Name] & RouteContract>>;
};

export function createApi(client: Pick<Client, "call">): Api {
  const methods = Object.entries<RouteContract>(operations).map(([name, route]) => [
    name,
    (...input: [never?]) => client.call(route, ...input),
  ]);
  return Object.fromEntries(methods) as Api;
}
