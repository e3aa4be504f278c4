import { randomBytes } from "node:crypto";
import { open, readFile, realpath, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { CliError } from "../exit.ts";
import { isCode, withFileLock } from "./file-lock.ts";
import { entryOf, type Keychain, type KeychainEntry, openKeychain } from "./keychain.ts";

/**
 * Profiles: named credentials, each bound to the server it was made for. `profiles.json` says which there
 * are; the secret is in the system's keychain where there is one, else in the same file, which only its owner
 * can read. The secret carries its server with it, so that editing the file cannot send it elsewhere.
 */
export const DEFAULT_PROFILE = "DEFAULT";

interface Key {
  readonly type: "api_key";
  /** The API's URL that it is for, `/api/v2` included. */
  readonly host: string;
  readonly api_key: string;
}

/** A login through the browser. Its access token is used like a key, for as long as it lasts. */
export interface Login {
  readonly type: "oauth";
  readonly host: string;
  readonly api_key: string;
  readonly expires_at_ms: number;
  readonly refresh_token?: string;
}

/** What signs a request. */
export type Credential = Key | Login;

/** Refreshed so long before its time, for a command that takes a while. */
const REFRESH_BEFORE_MS = 5 * 60_000;

export interface Profile {
  readonly host: string;
  readonly type: Credential["type"];
  /** Whose it is, for people: an e-mail address or an organization's id. */
  readonly account: string;
  readonly store: "keychain" | "file";
  readonly created_at: string;
}

interface StoredProfile extends Profile {
  /** Present when the store is the file. */
  readonly credential?: Credential;
}

interface ProfilesFile {
  readonly version: 1;
  readonly profiles: Readonly<Record<string, StoredProfile>>;
}

export function configDir(environment: NodeJS.ProcessEnv, given: string | undefined): string {
  if (given) return given;
  if (environment.LATCHKEY_CONFIG_DIR) return environment.LATCHKEY_CONFIG_DIR;
  if (environment.XDG_CONFIG_HOME) return join(environment.XDG_CONFIG_HOME, "latchkey");
  if (process.platform === "win32" && environment.APPDATA) return join(environment.APPDATA, "latchkey");
  return join(homedir(), ".config", "latchkey");
}

export class Profiles {
  readonly file: string;
  readonly #environment: NodeJS.ProcessEnv;
  #keychain: Promise<Keychain | undefined> | undefined;

  constructor(directory: string, environment: NodeJS.ProcessEnv) {
    this.file = join(directory, "profiles.json");
    this.#environment = environment;
  }

  async list(): Promise<Record<string, Profile>> {
    const { profiles } = await this.#read();
    return Object.fromEntries(Object.entries(profiles).map(([name, { credential: _, ...profile }]) => [name, profile]));
  }

  async find(name: string): Promise<Profile | undefined> {
    return (await this.list())[name];
  }

  /** The secret of a profile; undefined when there is none, or when the keychain no longer gives it. */
  async credential(name: string): Promise<Credential | undefined> {
    const stored = (await this.#read()).profiles[name];
    if (!stored) return undefined;
    if (stored.store === "file") return stored.credential;
    const secret = (await this.#openEntry(name, stored))?.get();
    return secret === undefined ? undefined : (JSON.parse(secret) as Credential);
  }

  /**
   * What to send for a profile: its key, or the access token of its login, refreshed when its time is nearly
   * over. One process at a time refreshes; the others wait, and find it done.
   */
  async bearer(name: string): Promise<string | undefined> {
    const credential = await this.credential(name);
    if (credential === undefined || isFresh(credential)) return credential?.api_key;
    return await this.#change(async (profiles) => {
      const current = await this.credential(name);
      const profile = profiles[name];
      if (current === undefined || profile === undefined || isFresh(current)) {
        return { result: current?.api_key, profiles };
      }
      const { refreshLogin } = await import("./login.ts");
      const login = await refreshLogin(current as Login);
      if (profile.store === "keychain") {
        (await this.#openEntry(name, profile))?.set(JSON.stringify(login));
        return { result: login.api_key, profiles };
      }
      return { result: login.api_key, profiles: { ...profiles, [name]: { ...profile, credential: login } } };
    });
  }

  /** Creates the profile or replaces it; returns where the secret is now. */
  async save(name: string, credential: Credential, account: string, allow_keychain: boolean): Promise<Profile> {
    checkName(name);
    const created_at = new Date().toISOString();
    const { host, type } = credential;
    return await this.#change(async (profiles) => {
      const entry = allow_keychain ? await this.#openEntry(name, profiles[name]) : undefined;
      if (entry && isKept(entry, JSON.stringify(credential))) {
        const profile: Profile = { host, type, account, store: "keychain", created_at };
        return { result: profile, profiles: { ...profiles, [name]: profile } };
      }
      const profile: Profile = { host, type, account, store: "file", created_at };
      return { result: profile, profiles: { ...profiles, [name]: { ...profile, credential } } };
    });
  }

  /** Puts a key in the place of another; false where the profile no longer holds that. Throws when it cannot be kept. */
  async replaceKey(name: string, old_key: string, new_key: string): Promise<boolean> {
    return await this.#change(async (profiles) => {
      const profile = profiles[name];
      const current = await this.credential(name);
      if (!profile || current?.type !== "api_key" || current.api_key !== old_key) return { result: false, profiles };
      const credential: Credential = { ...current, api_key: new_key };
      if (profile.store === "file")
        return { result: true, profiles: { ...profiles, [name]: { ...profile, credential } } };
      const entry = await this.#openEntry(name, profile);
      if (entry && isKept(entry, JSON.stringify(credential))) return { result: true, profiles };
      throw new CliError("failed", "the system's keychain does not take it");
    });
  }

  /** Forgets a profile and its secret; false when there is none of this name. */
  async remove(name: string): Promise<boolean> {
    return await this.#change(async (profiles) => {
      const { [name]: removed, ...kept } = profiles;
      if (removed?.store === "keychain") (await this.#openEntry(name, removed))?.delete();
      return { result: removed !== undefined, profiles: kept };
    });
  }

  /** The place of a profile in the keychain; undefined where there is no keychain. */
  async #openEntry(name: string, profile: StoredProfile | undefined): Promise<KeychainEntry | undefined> {
    this.#keychain ??= openKeychain(this.#environment);
    const keychain = await this.#keychain;
    if (!keychain) return undefined;
    const directory = dirname(resolve(this.file));
    return entryOf(keychain, await realpath(directory).catch(() => directory), name, (secret) => {
      const { host, type } = JSON.parse(secret) as Credential;
      return profile?.store === "keychain" && profile.host === host && profile.type === type;
    });
  }

  async #change<T>(
    work: (
      profiles: ProfilesFile["profiles"],
    ) => Promise<{ readonly result: T; readonly profiles: ProfilesFile["profiles"] }>,
  ): Promise<T> {
    return await withFileLock(this.file, async () => {
      const { profiles: before } = await this.#read();
      const { result, profiles } = await work(before);
      await writePrivately(this.file, `${JSON.stringify({ version: 1, profiles } satisfies ProfilesFile, null, 2)}\n`);
      return result;
    });
  }

  async #read(): Promise<ProfilesFile> {
    let content: string;
    try {
      content = await readFile(this.file, "utf8");
    } catch (error) {
      if (isCode(error, "ENOENT")) return { version: 1, profiles: {} };
      throw error;
    }
    try {
      const parsed = JSON.parse(content) as ProfilesFile;
      if (parsed.version === 1 && typeof parsed.profiles === "object" && parsed.profiles !== null) return parsed;
    } catch {
      // Told below, without the content: it holds secrets.
    }
    throw new CliError(
      "failed",
      `${this.file} is not a profiles file of this latchkey`,
      "move it away and sign in again",
    );
  }
}

/** Without a refresh token it is used until the server refuses it. */
function isFresh(credential: Credential): boolean {
  if (credential.type !== "oauth" || credential.refresh_token === undefined) return true;
  return credential.expires_at_ms - REFRESH_BEFORE_MS > Date.now();
}

function checkName(name: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
    throw new CliError("usage", "a profile's name is made of letters, digits, dots, hyphens and underscores, up to 64");
  }
}

/** A keychain that takes a secret and does not give it back, or asks nobody for a password, is none. */
function isKept(entry: KeychainEntry, secret: string): boolean {
  try {
    entry.set(secret);
    return entry.get() === secret;
  } catch {
    return false;
  }
}

/** Replaces a file in one step, readable by its owner alone from the first byte on. */
async function writePrivately(file: string, content: string): Promise<void> {
  // A link, as people make for their settings, stays a link.
  const target = await realpath(file).catch(() => file);
  const temporary = join(dirname(target), `.profiles-${process.pid}-${randomBytes(4).toString("hex")}`);
  try {
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
