import type { BodyOf } from "@latchkey/contract/route.ts";
import type { signUp as signUpContract } from "@latchkey/contract/users.ts";
import type { Clock } from "../clock.ts";
import type { Config } from "../config.ts";
import type { Db, Tx } from "../db/pool.ts";
import { ApiError } from "../errors.ts";
import { tokenDigest } from "../keys/token.ts";
import { PerNetwork } from "../oauth/per-network.ts";
import { checkInvited, getOpenInvitation, join } from "../organizations/invitations/rules.ts";
import type { OpenInvitation } from "../organizations/invitations/store.ts";
import { hashPassword } from "../sessions/password.ts";
import { createPerson } from "./create-person.ts";
import { hasPeople, hasSetupToken, lockInstance } from "./store.ts";

export type SignUp = BodyOf<typeof signUpContract>;

interface Admission {
  readonly instance_admin: boolean;
  readonly invitation: OpenInvitation | undefined;
}

const WINDOW_MS = 15 * 60 * 1000;
/** From one network, which may be a lecture hall. */
const PER_NETWORK = 60;

/** Keeps a stranger from filling the database with people, and the server's time with their passwords. Throws 429. */
export class SignUpLimit {
  readonly #by_network: PerNetwork;

  constructor(clock: Clock) {
    this.#by_network = new PerNetwork(clock, { most: PER_NETWORK, window_ms: WINDOW_MS });
  }

  count(address: string): void {
    const wait_s = this.#by_network.wait_s(address);
    if (wait_s > 0) {
      throw new ApiError("rate_limited", "too many sign-ups from this network, wait a few minutes", {
        headers: { "retry-after": String(wait_s) },
      });
    }
    this.#by_network.count(address);
  }
}

/**
 * Hashes the password of whoever may come in, ahead of the transaction, which holds a connection that others wait for.
 * Not before they are let in: a stranger must not be able to make the server work.
 */
export async function prepareSignUp(db: Db, body: SignUp, mode: Config["sign_up"]): Promise<string> {
  await admit(db, { ...body, email: body.email.toLowerCase() }, mode);
  return await hashPassword(body.password);
}

/**
 * Lets a new person in, in the caller's transaction: the person, their organization, their membership and
 * the use of their invitation are one. Returns the new person's id.
 */
export async function signUp(tx: Tx, body: SignUp, mode: Config["sign_up"], hash: string): Promise<string> {
  const email = body.email.toLowerCase();
  const { instance_admin, invitation } = await admit(tx, { ...body, email }, mode);
  // Where strangers sign up they give any e-mail. Elsewhere somebody here has let this person in.
  const email_verified = instance_admin || mode !== "open";
  const { user_id } = await createPerson(tx, { email, name: body.name, instance_admin, email_verified }, hash);
  if (invitation) await join(tx, invitation, user_id);
  return user_id;
}

/** Who may come in. Says "already taken" of an e-mail nowhere: that is told only to those who are let in. */
async function admit(tx: Tx, body: SignUp, mode: Config["sign_up"]): Promise<Admission> {
  if (!(await hasPeople(tx))) {
    // One of two first sign-ups waits here, and then finds that there is somebody.
    await lockInstance(tx);
    if (!(await hasPeople(tx))) return await admitFirst(tx, body.setup_token);
  }
  if (body.setup_token !== undefined) {
    throw new ApiError("conflict", "this server has been set up already; sign in, or ask its people for an invitation");
  }
  if (mode === "closed") throw new ApiError("forbidden", "sign-up is closed on this server");
  if (body.invitation_token !== undefined) {
    const invitation = await getOpenInvitation(tx, body.invitation_token);
    checkInvited(invitation, body.email);
    return { instance_admin: false, invitation };
  }
  if (mode === "open") return { instance_admin: false, invitation: undefined };
  throw new ApiError("forbidden", "sign-up on this server needs an invitation");
}

async function admitFirst(tx: Tx, setup_token: string | undefined): Promise<Admission> {
  if (setup_token !== undefined && (await hasSetupToken(tx, tokenDigest(setup_token)))) {
    return { instance_admin: true, invitation: undefined };
  }
  throw new ApiError("forbidden", "this server is not set up yet; open the setup link that it printed when it started");
}
