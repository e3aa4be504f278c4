import type { ListedKey } from "@latchkey/contract/api-keys.ts";
import { CliError } from "../exit.ts";
import type { Profiles } from "./profiles.ts";

/** Which profiles of this machine hold a key of the server, and how they get its successor. */
export interface Holder {
  readonly profile: string;
  readonly token: string;
}

/** What a list shows of a token: the last four characters before its checksum of six. */
export function hintOf(token: string): string {
  return token.slice(-10, -6);
}

/**
 * Whether a token is that of a listed key: of the same kind, with the same hint. Nothing else is known of a
 * token; when two keys of the list look alike, no token is taken for either.
 */
export function isTokenOf(
  token: string,
  key: ListedKey,
  org_id: string | undefined,
  all: readonly ListedKey[],
): boolean {
  const kind = org_id === undefined ? "lk_user_" : key.project_id === undefined ? "lk_org_" : "lk_proj_";
  const alike = all.filter(({ hint, project_id }) => hint === key.hint && project_id === key.project_id);
  return token.startsWith(kind) && hintOf(token) === key.hint && alike.length === 1;
}

export async function findHolders(
  profiles: Profiles,
  host: string,
  isMeant: (token: string) => boolean,
): Promise<readonly Holder[]> {
  const holders: Holder[] = [];
  for (const [profile, { type, host: its_host }] of Object.entries(await profiles.list())) {
    if (type !== "api_key" || its_host !== host) continue;
    const credential = await profiles.credential(profile);
    // The credential's own host is the one that counts: the list is for people.
    if (credential?.host === host && isMeant(credential.api_key)) holders.push({ profile, token: credential.api_key });
  }
  return holders;
}

/** Hands the successor to every holder or to none: throws when one cannot keep it, and the others have the old key again. */
export async function replaceInAll(profiles: Profiles, holders: readonly Holder[], successor: string): Promise<void> {
  const replaced: Holder[] = [];
  try {
    for (const holder of holders) {
      // Somebody may have signed in anew meanwhile; that is left as it is.
      if (await profiles.replaceKey(holder.profile, holder.token, successor)) replaced.push(holder);
    }
  } catch (cause) {
    for (const { profile, token } of replaced) await profiles.replaceKey(profile, successor, token).catch(() => {});
    const names = holders.map(({ profile }) => profile).join(", ");
    throw new CliError(
      "failed",
      `profile ${names} holds this key and cannot keep its successor: ${cause instanceof Error ? cause.message : cause}`,
      "nothing was changed, and the old key still works",
    );
  }
}
