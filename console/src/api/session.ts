import { signOut } from "@latchkey/contract/sessions.ts";
import { type CurrentUser, getCurrentUserInfo } from "@latchkey/contract/users.ts";
import { paths } from "../paths.ts";
import { api } from "./client.ts";
import { isSignedOut } from "./errors.ts";
import { queries, query } from "./queries.ts";

const PERSON = query(getCurrentUserInfo);

let asking: Promise<CurrentUser | undefined> | undefined;

/** The person who is signed in here; undefined when nobody is. Asked once, however many want to know. */
export async function findPerson(): Promise<CurrentUser | undefined> {
  const known = queries.getQueryData<CurrentUser>(PERSON.queryKey);
  if (known) return known;
  asking ??= askForPerson().finally(() => {
    asking = undefined;
  });
  return await asking;
}

async function askForPerson(): Promise<CurrentUser | undefined> {
  try {
    const person = await api.call(getCurrentUserInfo);
    queries.setQueryData(PERSON.queryKey, person);
    return person;
  } catch (error) {
    if (isSignedOut(error)) return undefined;
    throw error;
  }
}

/** Called with the answer that set the session cookie. What was read for somebody else is dropped. */
export function beginSession(person: CurrentUser): void {
  queries.clear();
  queries.setQueryData(PERSON.queryKey, person);
}

/**
 * Ends the session and loads the sign-in page anew: nothing that was read by this person stays in the
 * memory of the tab, nor behind its back button.
 */
export async function endSession(next = ""): Promise<void> {
  try {
    await api.call(signOut);
  } catch (error) {
    // It has ended already, which is what was wanted.
    if (!isSignedOut(error)) throw error;
  }
  queries.clear();
  window.location.replace(paths.signIn() + (next && `?next=${encodeURIComponent(next)}`));
}
