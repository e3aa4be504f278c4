import { getAuthDetails, getCurrentUserInfo } from "@latchkey/contract/users.ts";
import { ApiError, type Client } from "@latchkey/sdk";
import { type CommandFile, command } from "../command.ts";

/** Who a credential is: a person, or the organization that an organization or project key speaks for. */
export async function whoIs(client: Client, signal: AbortSignal) {
  try {
    return { person: await client.call(getCurrentUserInfo, { signal }) };
  } catch (error) {
    // Neon's answer to keys that stand for no person.
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    return { key: await client.call(getAuthDetails, { signal }) };
  }
}

const self = command({
  name: "me",
  summary: "Show the current user",
  async run(invocation) {
    const who = await invocation.working("Asking who you are", (client) => whoIs(client, invocation.signal));
    if (who.person) await invocation.print({ data: who.person, fields: ["login", "email", "name", "projects_limit"] });
    else await invocation.print({ data: who.key, fields: ["account_id", "auth_method"] });
  },
});

export default { self } satisfies CommandFile;
