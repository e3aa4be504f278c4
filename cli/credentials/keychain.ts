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
  const entry = (account: string) => new binding.Entry(SERVICE, account);
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
