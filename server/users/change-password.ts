import type { PersonAccess } from "../access/handles.ts";
import { ApiError } from "../errors.ts";
import { endGrantsOfPerson } from "../oauth/store.ts";
import type { FailedSignIns } from "../sessions/failed-sign-ins.ts";
import { hashPassword, isPasswordOf } from "../sessions/password.ts";
import { deleteOtherSessions, findPasswordHash } from "../sessions/store.ts";
import { deletePasswordResets, getCurrentUser, putPasswordHash } from "./store.ts";

interface Change {
  readonly current_password: string;
  readonly new_password: string;
}

/**
 * Replaces a person's password. A session or key alone does not suffice: who finds a browser open must not be
 * able to take the account over. Guesses are counted as failed sign-ins are.
 */
export async function changePassword(
  access: PersonAccess,
  { current_password, new_password }: Change,
  failed: FailedSignIns,
) {
  const { email } = await getCurrentUser(access);
  const attempt = failed.begin(access.origin.address, email);
  const lock = async () => {
    await deletePasswordResets(access);
    return await findPasswordHash(access.tx, email, { to_change: true });
  };
  const account = await lock().catch((error: unknown) => {
    attempt.undecided();
    throw error;
  });
  if (!account) {
    attempt.undecided();
    throw new ApiError(
      "conflict",
      "this account has no password; whoever runs the server sets one with `npm run setup`",
    );
  }
  if (!(await isPasswordOf(account.password, current_password))) {
    throw new ApiError("forbidden", "the current password is not right");
  }
  attempt.succeeded();
  if (current_password === new_password) throw new ApiError("bad_request", "the new password is the current one");
  await putPasswordHash(access, await hashPassword(new_password));
  return {
    sessions_ended: await deleteOtherSessions(access),
    oauth_grants_ended: await endGrantsOfPerson(access, access.principal.oauth_grant_id),
  };
}
