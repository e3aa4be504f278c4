import { revokeKeysOfPerson } from "../api-keys/store.ts";
import type { Clock } from "../clock.ts";
import type { Tx } from "../db/pool.ts";
import { ApiError } from "../errors.ts";
import { newOneTimeToken } from "../keys/one-time-token.ts";
import type { Secret } from "../keys/secret.ts";
import type { AccessChange } from "../nodes/change.ts";
import { PerNetwork } from "../oauth/per-network.ts";
import { endGrantsOfPerson } from "../oauth/store.ts";
import { hashPassword } from "../sessions/password.ts";
import { deleteAllSessions } from "../sessions/store.ts";
import { recordSetup } from "./set-up-person.ts";
import { findUserIdByEmail, insertPasswordReset, putPasswordHash, takePasswordReset, verifyEmail } from "./store.ts";

/**
 * Forgotten passwords. A link's token is single use, lives half an hour, and is stored as its digest. Several
 * of one person are good at once: whoever asks in somebody's name must not be able to end the link that this
 * person is about to open.
 */
export const RESET_MINUTES = 30;

const WINDOW_MS = 15 * 60 * 1000;
/** Mails that one address gets, whoever asks; counted for addresses that nobody here has, too. */
const PER_EMAIL = 5;
/** Requests from one network, which may be an office. */
const PER_NETWORK = 30;

export interface PasswordReset {
  readonly user_id: string;
  readonly token: Secret;
}

/** Keeps resets from filling somebody's mailbox, the audit log, or the time of the server. Throws 429. */
export class ResetLimits {
  readonly #by_email: PerNetwork;
  readonly #by_network: PerNetwork;

  constructor(clock: Clock) {
    this.#by_email = new PerNetwork(clock, { most: PER_EMAIL, window_ms: WINDOW_MS });
    this.#by_network = new PerNetwork(clock, { most: PER_NETWORK, window_ms: WINDOW_MS });
  }

  countRequest(address: string, email: string): void {
    this.#refuse(Math.max(this.#by_network.wait_s(address), this.#by_email.wait_s(email)));
    this.#by_network.count(address);
    this.#by_email.count(email);
  }

  /** Before a token is looked up; its bits are not to be guessed, but each guess costs the database a query. */
  countUse(address: string): void {
    this.#refuse(this.#by_network.wait_s(address));
    this.#by_network.count(address);
  }

  #refuse(wait_s: number): void {
    if (wait_s === 0) return;
    throw new ApiError("rate_limited", "too many requests for a new password, wait a few minutes", {
      headers: { "retry-after": String(wait_s) },
    });
  }
}

export function resetUrl(public_url: string, token: Secret): string {
  return `${public_url}/reset-password#${token.reveal()}`;
}

/** A link's token for the person with this e-mail, or undefined; it takes as long where there is nobody. */
export async function createPasswordReset(
  tx: Tx,
  email: string,
  { mailed }: { readonly mailed: boolean },
): Promise<PasswordReset | undefined> {
  const { token, digest } = newOneTimeToken("reset");
  const user_id = await insertPasswordReset(tx, email.toLowerCase(), digest, { minutes: RESET_MINUTES, mailed });
  return user_id === undefined ? undefined : { user_id, token };
}

export interface UsedReset {
  readonly user_id: string;
  /** The keys that ended with it. */
  readonly narrowed: readonly AccessChange[];
}

/**
 * Sets the password of whom the token was given to, and ends what was signed in with the old one. Where the mailed link
 * is the first proof that the account's mailbox is theirs, somebody else may have made the account: its keys end, too.
 */
export async function usePasswordReset(
  tx: Tx,
  { reset_token, new_password }: { readonly reset_token: string; readonly new_password: string },
): Promise<UsedReset> {
  // Before the password is hashed: a stranger must not be able to make the server work.
  const taken = await takePasswordReset(tx, reset_token);
  if (!taken) throw new ApiError("not_found", "this link is not good any more; ask for a new one");
  const { user_id, mailed } = taken;
  await putPasswordHash({ tx, user_id }, await hashPassword(new_password));
  await deleteAllSessions({ tx, user_id });
  await endGrantsOfPerson({ tx, user_id }, undefined);
  const is_first_proof = mailed && (await verifyEmail({ tx, user_id }));
  return { user_id, narrowed: is_first_proof ? await revokeKeysOfPerson({ tx, user_id }) : [] };
}

/**
 * For the server's own machine alone, as `setUpPerson` is: a link for somebody who cannot get one by mail. It
 * is handed to them, so that nobody but they know the new password.
 */
export async function issuePasswordResetForSetup(tx: Tx, email: string): Promise<PasswordReset | undefined> {
  const user_id = await findUserIdByEmail(tx, email.toLowerCase());
  if (user_id === undefined) return undefined;
  const record = await recordSetup(tx, { kind: "person", user_id, via: "key" });
  await record("password_reset.create", { subject: `user:${user_id}` });
  return await createPasswordReset(tx, email, { mailed: false });
}
