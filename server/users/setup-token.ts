import type { Db } from "../db/pool.ts";
import { newOneTimeToken } from "../keys/one-time-token.ts";
import type { Secret } from "../keys/secret.ts";
import { hasPeople, insertSetupToken } from "./store.ts";

/**
 * A token that lets its holder become the first person of this instance, or undefined when there are people.
 * Whoever can read the server's terminal owns the server; whoever finds the open port first does not.
 * Each start gives its own, and all are good until there is a first person.
 */
export async function issueSetupToken(db: Db): Promise<Secret | undefined> {
  if (await hasPeople(db)) return undefined;
  const { token, digest } = newOneTimeToken("setup");
  await insertSetupToken(db, digest);
  return token;
}
