/**
 * The system's keychain: Keychain on macOS, Credential Manager on Windows, the Secret Service on Linux. Its
 * binding is a native module of its own for every system, so it is optional, and absence is a normal answer.
 */
export interface Keychain {
  get(account: string): string | undefined;
  set(account: string, secret: string): void;
  delete(account: string): void;
}

const SERVICE = "latchkey";

/** The keychain, or undefined where there is none, or none that outlives a restart of the machine. */
export async function openKeychain(environment: NodeJS.ProcessEnv): Promise<Keychain | undefined> {
  if (environment.LATCHKEY_KEYRING === "off") return undefined;
  // Without a session bus the binding would take the kernel's keyring, which forgets at the next start.
  if (process.platform === "linux" && !environment.DBUS_SESSION_BUS_ADDRESS) return undefined;
  const binding = await import("@napi-rs/keyring").catch(() => undefined);
  if (!binding) return undefined;
  // Where the bus has no such service, the binding's second attempt would take the kernel's keyring too.
  const options = { linux: { store: "secret-service" as const } };
  const entry = (account: string) => new binding.Entry(SERVICE, account, options);
  return {
    get(account) {
      try {
        return entry(account).getPassword() ?? undefined;
      } catch {
        // Missing and locked look alike from here, and both mean: sign in again.
        return undefined;
      }
    },
    set: (account, secret) => entry(account).setPassword(secret),
    delete(account) {
      try {
        entry(account).deletePassword();
      } catch {
        // It is gone, which is what was wanted.
      }
    },
  };
}

/** Where one secret is kept. */
export interface KeychainEntry {
  get(): string | undefined;
  set(secret: string): void;
  delete(): void;
}

/**
 * The entry of a profile. A person has one keychain and may have several directories, each with its own DEFAULT. Entries
 * had the profile's name alone before, whatever the directory: such a one is read where it `isOurs`, until the next change.
 */
export function entryOf(
  keychain: Keychain,
  directory: string,
  name: string,
  isOurs: (secret: string) => boolean,
): KeychainEntry {
  // A profile's name has no slash, so no directory's entry has the name of another one's, or of an old one.
  const account = `${directory}/${name}`;
  const old = () => {
    const secret = keychain.get(account) === undefined ? keychain.get(name) : undefined;
    return secret !== undefined && isOurs(secret) ? secret : undefined;
  };
  return {
    get: () => keychain.get(account) ?? old(),
    set(secret) {
      const has_moved = old() !== undefined;
      keychain.set(account, secret);
      if (has_moved && keychain.get(account) === secret) keychain.delete(name);
    },
    delete() {
      if (old() === undefined) keychain.delete(account);
      else keychain.delete(name);
    },
  };
}
