import { unreachable } from "../errors.ts";
import type { LastUsedRecorder } from "../keys/last-used.ts";
import type { LiveKey } from "../keys/store.ts";
import type { KeyVerifier } from "../keys/verifier.ts";
import type { Log } from "../log.ts";
import type { Origin, Principal } from "./principal.ts";

/** The parts of a request that say who calls. Header names are lower case, as Node gives them. */
export interface Credentials {
  readonly authorization: string | undefined;
  readonly cookie: string | undefined;
}

/** Looks a session cookie up; undefined when it is none of ours or has ended. */
export type SessionLookup = (cookie: string) => Promise<{ user_id: string; session_id: string } | undefined>;

/**
 * Says who is calling, or undefined: the uniform 401. A bearer token decides alone, however bad: Neon's CLI
 * sends its key as a bearer token *and* in cookies of other names, and a request that carries a refused key
 * must never fall back to whoever is signed in to the Console in that browser.
 */
export class Authenticator {
  readonly #verifier: KeyVerifier;
  readonly #recorder: LastUsedRecorder;
  readonly #sessions: SessionLookup;
  readonly #log: Log;

  constructor(verifier: KeyVerifier, recorder: LastUsedRecorder, sessions: SessionLookup, log: Log) {
    this.#verifier = verifier;
    this.#recorder = recorder;
    this.#sessions = sessions;
    this.#log = log;
  }

  async authenticate(credentials: Credentials, origin: Origin): Promise<Principal | undefined> {
    const { authorization, cookie } = credentials;
    if (authorization !== undefined) return await this.#byBearer(authorization, origin);
    if (cookie?.includes("latchkey.")) {
      const session = await this.#sessions(cookie);
      if (session) return { kind: "person", via: "session", ...session };
      this.#refuse("session", origin);
      return undefined;
    }
    this.#refuse("missing", origin);
    return undefined;
  }

  async #byBearer(authorization: string, origin: Origin): Promise<Principal | undefined> {
    const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
    if (token === undefined) {
      this.#refuse("malformed", origin);
      return undefined;
    }
    const verification = await this.#verifier.verify(token);
    if ("refused" in verification) {
      this.#refuse(verification.refused, origin);
      return undefined;
    }
    this.#recorder.record(verification.key.id, origin.address, origin.user_agent);
    return principalOf(verification.key);
  }

  #refuse(reason: string, origin: Origin): void {
    this.#log.event("credential.refused", { request_id: origin.request_id, reason, address: origin.address });
  }
}

function principalOf(key: LiveKey): Principal {
  if (key.kind === "user" && key.user_id !== null) {
    return { kind: "person", user_id: key.user_id, via: "key", api_key_id: key.id };
  }
  if (key.kind === "org" && key.org_id !== null) {
    return { kind: "organization", org_id: key.org_id, api_key_id: key.id };
  }
  if (key.kind === "proj" && key.org_id !== null && key.project_id !== null) {
    return { kind: "project", org_id: key.org_id, project_id: key.project_id, api_key_id: key.id };
  }
  return unreachable(`key ${key.id} has no owner of its kind`);
}
