import * as resets from "@latchkey/contract/password-resets.ts";
import * as contract from "@latchkey/contract/users.ts";
import type { Principal } from "../access/principal.ts";
import type { Clock } from "../clock.ts";
import { type Capacity, sizesWithin } from "../compute/size.ts";
import type { Config } from "../config.ts";
import type { Db } from "../db/pool.ts";
import { unreachable } from "../errors.ts";
import type { Mailer } from "../mail/mailer.ts";
import { passwordChangedMail } from "../mail/password-changed.ts";
import { passwordResetMail } from "../mail/password-reset.ts";
import { getOrganizationOfKey, listOrganizationsOfPerson } from "../organizations/store.ts";
import {
  AnswerAfterCommit,
  AnswerWithCookies,
  type AuditSubject,
  type Route,
  route,
  routeFromMemory,
} from "../route.ts";
import { FailedSignIns } from "../sessions/failed-sign-ins.ts";
import type { Identity } from "../sessions/identity.ts";
import { changePassword } from "./change-password.ts";
import { createPasswordReset, RESET_MINUTES, ResetLimits, resetUrl, usePasswordReset } from "./password-reset.ts";
import { prepareSignUp, SignUpLimit, signUp } from "./sign-up.ts";
import { getCurrentUser, hasPeople, type Oneself } from "./store.ts";

export interface UserDeps {
  readonly db: Db;
  readonly identity: Identity;
  readonly sign_up: Config["sign_up"];
  readonly public_url: string;
  /** Of the machine that runs computes. */
  readonly capacity: Capacity;
  readonly pools_connections: boolean;
  /** Absent: who has forgotten their password gets a link from whoever runs the server. */
  readonly mailer: Mailer | undefined;
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

export function userRoutes(deps: UserDeps): Route[] {
  const { db, identity, sign_up, public_url, capacity, pools_connections, mailer, version, clock } = deps;
  const failed = new FailedSignIns(clock);
  const limits = new ResetLimits(clock);
  const sign_ups = new SignUpLimit(clock);

  /** The answer, once the person has been written that their password is another one. */
  async function afterTelling<Told, Body>(
    person: Oneself,
    { address, keys_ended }: { readonly address: string; readonly keys_ended: boolean },
    told: Told,
    body: Body,
  ) {
    const { email: to } = await getCurrentUser(person);
    return new AnswerAfterCommit<Told | Body>(told, async () => {
      const forgotten_url = `${public_url}/forgot-password`;
      // Not waited for: the password is changed whether or not a mail can be sent.
      const at = new Date(clock.now_ms());
      void mailer?.send([passwordChangedMail({ to, address, at, keys_ended, forgotten_url })]);
      return body;
    });
  }

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
    routeFromMemory(contract.getAuthDetails, { action: "credential.read", run: describeCredential }),
    route(contract.getActiveRegions, {
      requires: { on: "person", action: "region.list" },
      run: async () => ({ regions: [{ ...LOCAL_REGION, compute_sizes: sizesWithin(capacity) }] }),
    }),
    route(contract.getInstance, {
      requires: { on: "caller", action: "instance.read" },
      run: async ({ tx }) => ({
        version,
        needs_setup: !(await hasPeople(tx)),
        sign_up,
        pools_connections,
        sends_mail: mailer !== undefined,
      }),
    }),
    route(contract.changePassword, {
      requires: { on: "person", action: "user.update_password" },
      run: async (access, { body }) => {
        const ended = await changePassword(access, body, failed);
        return await afterTelling(access, { address: access.origin.address, keys_ended: false }, ended, ended);
      },
      audit: () => ({ subject: "user:current" }),
    }),
    route(resets.requestPasswordReset, {
      requires: { on: "caller", action: "password_reset.create" },
      run: async ({ tx, origin }, { body: { email } }) => {
        limits.countRequest(origin.address, email.toLowerCase());
        if (!mailer) return { by_mail: false };
        const made = await createPasswordReset(tx, email, { mailed: true });
        const answer = { by_mail: true };
        const about = { ...answer, user_id: made?.user_id };
        return new AnswerAfterCommit(about, async () => {
          // Not waited for: the time that a mail takes would tell whose e-mail has an account.
          if (made) {
            const reset_url = resetUrl(public_url, made.token);
            void mailer.send([passwordResetMail({ to: email.toLowerCase(), reset_url, minutes: RESET_MINUTES })]);
          }
          return answer;
        });
      },
      audit: (_, about) => aboutUser(about),
    }),
    route(resets.resetPassword, {
      requires: { on: "caller", action: "password_reset.use" },
      run: async (access, { body }) => {
        const { tx, origin } = access;
        limits.countUse(origin.address);
        const { user_id, narrowed } = await usePasswordReset(tx, body);
        access.narrowed.push(...narrowed);
        const from = { address: origin.address, keys_ended: narrowed.length > 0 };
        return await afterTelling({ tx, user_id }, from, { user_id }, {});
      },
      audit: (_, about) => aboutUser(about),
    }),
    route(contract.signUp, {
      requires: { on: "caller", action: "user.create" },
      prepare: async ({ body }, origin) => {
        sign_ups.count(origin.address);
        return await prepareSignUp(db, body, sign_up);
      },
      run: async ({ tx, origin }, { body }, hash) => {
        const user_id = await signUp(tx, body, sign_up, hash);
        const cookies = await identity.startSession(tx, user_id, origin);
        return new AnswerWithCookies(await getCurrentUser({ tx, user_id }), cookies);
      },
      audit: (_, { id }) => ({ subject: `user:${id}`, user_id: id }),
    }),
  ];
}

/** Whom a reset was about is for the audit row alone; the answer is the same whoever it was. */
function aboutUser(about: object): AuditSubject {
  const { user_id } = about as { readonly user_id?: string };
  return user_id === undefined ? { subject: "user:unknown" } : { subject: `user:${user_id}`, user_id };
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
