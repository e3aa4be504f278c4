import * as contract from "@latchkey/contract/users.ts";
import type { Principal } from "../access/principal.ts";
import type { Clock } from "../clock.ts";
import type { Config } from "../config.ts";
import { unreachable } from "../errors.ts";
import { getOrganizationOfKey, listOrganizationsOfPerson } from "../organizations/store.ts";
import { AnswerWithCookies, type Route, route } from "../route.ts";
import { FailedSignIns } from "../sessions/failed-sign-ins.ts";
import type { Identity } from "../sessions/identity.ts";
import { changePassword } from "./change-password.ts";
import { signUp } from "./sign-up.ts";
import { getCurrentUser, hasPeople } from "./store.ts";

export interface UserDeps {
  readonly identity: Identity;
  readonly sign_up: Config["sign_up"];
  /** Version of Latchkey. */
  readonly version: string;
  readonly clock: Clock;
}

const LOCAL_REGION = {
  region_id: "local",
  name: "This server",
  default: true,
  // Neon's document: empty when unknown.
  geo_lat: "",
  geo_long: "",
};

export function userRoutes({ identity, sign_up, version, clock }: UserDeps): Route[] {
  const failed = new FailedSignIns(clock);
  return [
    route(contract.getCurrentUserInfo, {
      requires: { on: "person", action: "user.read" },
      run: async (access) => await getCurrentUser(access),
    }),
    route(contract.getCurrentUserOrganizations, {
      requires: { on: "caller", action: "user_organization.list" },
      run: async ({ tx, principal }) => {
        if (principal.kind === "organization") return { organizations: [await getOrganizationOfKey(tx, principal)] };
        if (principal.kind !== "person") return unreachable("policy lets persons and organization keys here");
        return { organizations: await listOrganizationsOfPerson({ tx, user_id: principal.user_id }) };
      },
    }),
    route(contract.getAuthDetails, {
      requires: { on: "caller", action: "credential.read" },
      run: ({ principal }) => describeCredential(principal),
    }),
    route(contract.getActiveRegions, {
      requires: { on: "person", action: "region.list" },
      run: async () => ({ regions: [LOCAL_REGION] }),
    }),
    route(contract.getInstance, {
      requires: { on: "caller", action: "instance.read" },
      run: async ({ tx }) => ({ version, needs_setup: !(await hasPeople(tx)), sign_up }),
    }),
    route(contract.changePassword, {
      requires: { on: "person", action: "user.update_password" },
      run: async (access, { body }) => await changePassword(access, body, failed),
      audit: () => ({ subject: "user:current" }),
    }),
    route(contract.signUp, {
      requires: { on: "caller", action: "user.create" },
      run: async ({ tx, origin }, { body }) => {
        const user_id = await signUp(tx, body, sign_up);
        const cookies = await identity.startSession(tx, user_id, origin);
        return new AnswerWithCookies(await getCurrentUser({ tx, user_id }), cookies);
      },
      audit: (_, { id }) => ({ subject: `user:${id}`, user_id: id }),
    }),
  ];
}

const PERSON_METHODS = { session: "session_cookie", key: "api_key_user", oauth: "oauth" } as const;

/**
 * Whose credential a request carries, out of the credential alone. A project-scoped key is told like an
 * organization key: Neon's CLI checks a key that it has just made and refuses any other answer.
 */
export function describeCredential(principal: Principal) {
  switch (principal.kind) {
    case "person":
      return { account_id: principal.user_id, auth_method: PERSON_METHODS[principal.via] };
    case "organization":
    case "project":
      return { account_id: principal.org_id, auth_method: "api_key_org" as const };
    case "anonymous":
      return unreachable("policy lets no anonymous caller here");
  }
}
