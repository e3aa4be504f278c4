import { CliError } from "../exit.ts";
import type { GlobalOptions } from "../topics.ts";
import { type Credential, DEFAULT_PROFILE, type Profiles } from "./profiles.ts";

/** Where a command goes and as whom. A credential that was stored is only sent to the server it is stored for. */
export const DEFAULT_HOST = "http://127.0.0.1:4400";

export interface Target {
  readonly host: string;
  readonly api_key: string | undefined;
  /** Where the credential came from, for `latchkey status`. */
  readonly source: "--api-key" | "LATCHKEY_API_KEY" | "NEON_API_KEY" | `profile ${string}` | "none";
  readonly profile: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * `--api-key` and `--profile` win over the environment, a key in the environment over a stored one. A key that
 * was not stored goes to the server that is named with it: never to that of some profile.
 */
export async function chooseTarget(
  global: Pick<GlobalOptions, "api-key" | "profile" | "host">,
  environment: Environment,
  profiles: Pick<Profiles, "find" | "credential"> & Partial<Pick<Profiles, "bearer">>,
  apiUrlOf: (host: string) => string,
): Promise<Target> {
  const given = global["api-key"];
  if (given !== undefined && global.profile !== undefined) {
    throw new CliError("usage", "--api-key and --profile exclude each other");
  }
  const named_host = global.host ?? (environment.LATCHKEY_URL || environment.NEON_API_HOST || undefined);
  const profile = global.profile ?? (environment.LATCHKEY_PROFILE || DEFAULT_PROFILE);
  const host_url = (host: string) => {
    try {
      return apiUrlOf(host);
    } catch (error) {
      throw new CliError("usage", (error as Error).message, "name the server like http://127.0.0.1:4400");
    }
  };

  const loose = looseKey(given, global.profile === undefined, environment);
  if (loose) return { ...loose, host: host_url(named_host ?? DEFAULT_HOST), profile };

  const stored = await profiles.find(profile);
  if (!stored) {
    if (global.profile !== undefined) {
      throw new CliError("not_signed_in", `there is no profile ${profile}`, "see `latchkey profile list`");
    }
    return { host: host_url(named_host ?? DEFAULT_HOST), api_key: undefined, source: "none", profile };
  }
  const credential: Credential | undefined = await profiles.credential(profile);
  const host = named_host === undefined ? stored.host : host_url(named_host);
  if (credential === undefined) return { host, api_key: undefined, source: "none", profile };
  if (credential.host !== host) {
    if (global.profile === undefined) return { host, api_key: undefined, source: "none", profile };
    throw new CliError(
      "not_signed_in",
      `profile ${profile} belongs to ${credential.host}; its credential is not sent to ${host}`,
      `sign in there with \`latchkey auth --host ${host} --profile NAME\``,
    );
  }
  // Only now: a login is refreshed at its own server, and only when it is going to be used there.
  const api_key = credential.type === "oauth" ? await profiles.bearer?.(profile) : credential.api_key;
  return { host, api_key, source: `profile ${profile}`, profile };
}

function looseKey(given: string | undefined, use_environment: boolean, environment: Environment) {
  if (given !== undefined) return { api_key: given.trim(), source: "--api-key" } as const;
  if (!use_environment) return undefined;
  for (const name of ["LATCHKEY_API_KEY", "NEON_API_KEY"] as const) {
    const key = environment[name]?.trim();
    if (key) return { api_key: key, source: name } as const;
  }
  return undefined;
}
