import type { Instant } from "../clock.ts";
import { ApiError, unreachable } from "../errors.ts";
import type { LastUsedRecorder } from "../keys/last-used.ts";
import type { LiveKey } from "../keys/store.ts";
import type { KeyVerifier, Verification } from "../keys/verifier.ts";
import type { Log } from "../log.ts";
import type { FailureLimit } from "./failure-limit.ts";
import type { Origin, Principal } from "./principal.ts";

/** The parts of a request that say who calls. Header names are lower case, as Node gives them. */
export interface Credentials {
  readonly authorization: string | undefined;
  readonly cookie: string | undefined;
}

/** Looks a session cookie up; undefined when it is none of ours or has ended. */
export type SessionLookup = (cookie: string) => Promise<{ user_id: string; session_id: string } | undefined>;

export interface AuthenticatorDeps {
  readonly verifier: KeyVerifier;
  readonly recorder: LastUsedRecorder;
  /** The same for logins through the browser. */
  readonly grant_recorder: Pick<LastUsedRecorder, "record">;
  readonly sessions: SessionLookup;
  readonly failures: FailureLimit;
  /** How often a request without a credential is told in the log; no other is refused or slowed down for these. */
  readonly without_credential: Pick<FailureLimit, "fail">;
  readonly log: Log;
}

type Answer = Principal | undefined;

/**
 * Says who is calling, or undefined: the uniform 401. A bearer token decides alone, however bad: Neon's CLI
 * sends its key as a bearer token *and* in cookies of other names, and a request that carries a refused key
 * must never fall back to whoever is signed in to the Console in that browser.
 */
export class Authenticator {
  readonly #verifier: KeyVerifier;
  readonly #recorder: LastUsedRecorder;
  readonly #grant_recorder: Pick<LastUsedRecorder, "record">;
  readonly #sessions: SessionLookup;
  readonly #failures: FailureLimit;
  readonly #without_credential: Pick<FailureLimit, "fail">;
  readonly #log: Log;
  readonly #flood: { inc(): void };

  constructor(deps: AuthenticatorDeps) {
    const { verifier, recorder, grant_recorder, sessions, failures, without_credential, log } = deps;
    this.#verifier = verifier;
    this.#recorder = recorder;
    this.#grant_recorder = grant_recorder;
    this.#sessions = sessions;
    this.#failures = failures;
    this.#without_credential = without_credential;
    this.#log = log;
    this.#flood = log.metrics.rate_limited.labels({ limit: "failed_credentials" });
  }

  /** At once where memory knows the key, which is nearly always; a promise where the database must be asked. */
  authenticate({ authorization, cookie }: Credentials, origin: Origin): Answer | Promise<Answer> {
    if (authorization !== undefined) return this.#byBearer(authorization, origin);
    if (cookie?.includes("latchkey.")) return this.#bySession(cookie, origin);
    this.#refuseStranger("missing", origin);
    return undefined;
  }

  /**
   * The caller whose key memory knows and may be believed on. Undefined says nothing of the credential, and nothing
   * was counted or logged: `authenticate` decides.
   */
  recall(authorization: string, origin: Origin, at: Instant): Principal | undefined {
    const token = bearerToken(authorization);
    if (token === undefined) return undefined;
    const key = this.#verifier.recall(token, at, this.#recorder.originOf(origin.address, origin.user_agent));
    if (key === undefined) return undefined;
    this.#recorder.expectUses();
    return principalOf(key);
  }

  async #bySession(cookie: string, origin: Origin): Promise<Answer> {
    const session = await this.#sessions(cookie);
    if (session) return { kind: "person", via: "session", ...session };
    this.#refuseStranger("session", origin);
    return undefined;
  }

  #byBearer(authorization: string, origin: Origin): Answer | Promise<Answer> {
    const token = bearerToken(authorization);
    if (token === undefined) return this.#judge({ refused: "malformed" }, origin);
    const failures = this.#failures;
    const verification = this.#verifier.verify(
      token,
      () => !failures.isExhausted(origin.address) || failures.waitForTurn(),
    );
    return verification instanceof Promise
      ? verification.then((found) => this.#judge(found, origin))
      : this.#judge(verification, origin);
  }

  #judge(verification: Verification, origin: Origin): Answer | Promise<Answer> {
    if ("key" in verification) {
      return this.#admit(verification.key, origin);
    }
    if ("grant" in verification) {
      const { grant_id, user_id } = verification.grant;
      this.#grant_recorder.record(grant_id, origin.address, origin.user_agent);
      return { kind: "person", user_id, via: "oauth", oauth_grant_id: grant_id };
    }
    const counted = verification.refused === "not_looked_up" ? "exceeded" : this.#failures.fail(origin.address);
    if (counted === "exceeded") {
      // Counted and not logged: a flood must not be able to write our log full.
      this.#flood.inc();
      return this.#failures.hold().then(() => {
        throw new ApiError("rate_limited", undefined, { headers: { "retry-after": "1" } });
      });
    }
    this.#refuse(verification.refused, origin);
    if (counted === "last") this.#log.event("credential.flood", { address: origin.address });
    return undefined;
  }

  #admit(key: LiveKey, origin: Origin): Principal {
    this.#recorder.record(key.id, origin.address, origin.user_agent);
    return principalOf(key);
  }

  /** It costs nothing to come without a credential, so each is counted, and not each is logged. */
  #refuseStranger(reason: string, origin: Origin): void {
    if (this.#without_credential.fail(origin.address) !== "exceeded") this.#refuse(reason, origin);
    else this.#log.metrics.count("credential.refused", refused(reason, origin));
  }

  #refuse(reason: string, origin: Origin): void {
    this.#log.event("credential.refused", refused(reason, origin));
  }
}

function refused(reason: string, { request_id, address }: Origin) {
  return { request_id, reason, address };
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

/** The token of a `Bearer` credential. RFC 9110 section 11.1: the scheme's case means nothing. */
function bearerToken(authorization: string): string | undefined {
  if (authorization.startsWith("Bearer lk_") && !authorization.includes(" ", 7)) return authorization.slice(7);
  return /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
}
