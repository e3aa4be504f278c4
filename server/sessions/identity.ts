import { betterAuth } from "better-auth";
import { serializeCookie, serializeSignedCookie } from "better-call";
import type pg from "pg";
import type { Origin } from "../access/principal.ts";
import { type Connection, type Db, openPool, poolConfig, type Tx } from "../db/pool.ts";
import { ApiError } from "../errors.ts";
import { newUuid } from "../ids.ts";
import type { Secret } from "../keys/secret.ts";
import { describeError, type Log } from "../log.ts";
import { hashPassword, isPasswordOf } from "./password.ts";
import { findPasswordHash, insertSession } from "./store.ts";

/**
 * Sessions: how a person proves who they are to the Console, and where they are signed in. Which people
 * there are is `users/`; OAuth is not here. This file is the only one that knows Better Auth, and nothing
 * of it leaves: the rest of the server could have another library tomorrow.
 *
 * Better Auth says which cookie carries a session and whose it is, over a small pool of its own (ours
 * answers strings where it expects dates). It cannot work in a transaction of ours, so what must be one
 * with a change and its audit row is done here with its tables: starting and ending sessions.
 */
export interface Identity {
  /**
   * Checks that somebody knows the password. An unknown e-mail and a wrong password throw the same error after the same
   * time, so that nobody can ask which e-mails have an account. Takes long on purpose, so not in a transaction.
   */
  checkPassword(db: Db, email: string, password: string): Promise<CheckedPassword>;
  /** Starts a session for whoever knew it; one that has been changed since throws as a wrong one does. */
  startSessionAfter(tx: Tx, checked: CheckedPassword, origin: Origin): Promise<StartedSession>;
  /** Starts a session for a person who has just proved who they are; returns the cookies to set. */
  startSession(tx: Tx, user_id: string, origin: Origin): Promise<string[]>;
  /** The live session of a `Cookie` header. Asks the database each time: an ended session is refused at once. */
  sessionFromCookie(cookie: string): Promise<{ user_id: string; session_id: string } | undefined>;
  /** The cookies that make a browser forget its session. */
  signOutCookies(): Promise<string[]>;
  close(): Promise<void>;
}

/** A password that was right, by the hash that it was compared with. */
export interface CheckedPassword {
  readonly email: string;
  readonly hash: string;
}

export interface StartedSession {
  readonly user_id: string;
  readonly cookies: string[];
}

export interface IdentityDeps {
  readonly connection: Connection;
  readonly cookie_secret: Secret;
  readonly public_url: string;
  readonly log: Log;
}

/** Fixed, not sliding: a stolen cookie that is used every day must end all the same. */
const SESSION_SECONDS = 30 * 24 * 60 * 60;
const POOL_SIZE = 4;
const USER_AGENT_LENGTH = 256;

const times = { createdAt: "created_at", updatedAt: "updated_at" } as const;

function configure({ cookie_secret, public_url, log }: IdentityDeps, database: pg.Pool) {
  return betterAuth({
    appName: "Latchkey",
    baseURL: public_url,
    secret: cookie_secret.reveal(),
    database,
    telemetry: { enabled: false },
    // It serves no request; ours have their own limit.
    rateLimit: { enabled: false },
    logger: {
      level: "error",
      // Its messages are fixed texts; its arguments are errors, of which only what is fit for a log is told.
      log: (_level, message, error) =>
        log.event("database.error", { error: `${message}${error === undefined ? "" : `: ${describeError(error)}`}` }),
    },
    // Signing in and up are ours.
    emailAndPassword: { enabled: false },
    user: { modelName: "users", fields: { ...times, emailVerified: "email_verified" } },
    account: {
      modelName: "accounts",
      fields: {
        ...times,
        userId: "user_id",
        accountId: "account_id",
        providerId: "provider_id",
        accessToken: "access_token",
        refreshToken: "refresh_token",
        idToken: "id_token",
        accessTokenExpiresAt: "access_token_expires_at",
        refreshTokenExpiresAt: "refresh_token_expires_at",
      },
    },
    session: {
      modelName: "sessions",
      expiresIn: SESSION_SECONDS,
      disableSessionRefresh: true,
      // With the cache a session that was ended would go on authenticating until the cached copy expired.
      cookieCache: { enabled: false },
      fields: {
        ...times,
        userId: "user_id",
        expiresAt: "expires_at",
        ipAddress: "ip_address",
        userAgent: "user_agent",
      },
    },
    verification: { modelName: "verifications", fields: { ...times, expiresAt: "expires_at" } },
    advanced: {
      cookiePrefix: "latchkey",
      useSecureCookies: public_url.startsWith("https:"),
      database: { generateId: newUuid },
    },
  });
}

const notRight = () => new ApiError("unauthenticated", "e-mail or password is not right");

export function createIdentity(deps: IdentityDeps): Identity {
  const pool = openPool(poolConfig(deps.connection, POOL_SIZE), deps.log);
  const auth = configure(deps, pool);

  const startSession = async (tx: Tx, user_id: string, origin: Origin): Promise<string[]> => {
    const { authCookies, secret } = await auth.$context;
    const { name, attributes } = authCookies.sessionToken;
    const token = await insertSession(tx, user_id, SESSION_SECONDS, {
      address: origin.address,
      user_agent: origin.user_agent.slice(0, USER_AGENT_LENGTH),
    });
    return [await serializeSignedCookie(name, token, secret, { ...attributes, maxAge: SESSION_SECONDS })];
  };

  return {
    startSession,

    async checkPassword(db, address, password) {
      const email = address.toLowerCase();
      const account = await findPasswordHash(db, email);
      // Where there is nothing to compare with, a hash is made all the same, for the time that it takes.
      if (!account) await hashPassword(password);
      if (!account || !(await isPasswordOf(account.password, password))) throw notRight();
      return { email, hash: account.password };
    },

    async startSessionAfter(tx, { email, hash }, origin) {
      const account = await findPasswordHash(tx, email);
      if (account?.password !== hash) throw notRight();
      return { user_id: account.user_id, cookies: await startSession(tx, account.user_id, origin) };
    },

    async sessionFromCookie(cookie) {
      try {
        const found = await auth.api.getSession({ headers: new Headers({ cookie }) });
        return found ? { user_id: found.user.id, session_id: found.session.id } : undefined;
      } catch (cause) {
        // It wraps any failure of the database; none of them makes the caller a stranger.
        throw new ApiError("unavailable", undefined, { cause, headers: { "retry-after": "1" } });
      }
    },

    async signOutCookies() {
      const { name, attributes } = (await auth.$context).authCookies.sessionToken;
      return [serializeCookie(name, "", { ...attributes, maxAge: 0 })];
    },

    close: () => pool.end(),
  };
}
