import * as contract from "@latchkey/contract/sessions.ts";
import type { Clock } from "../clock.ts";
import type { Db } from "../db/pool.ts";
import { ApiError } from "../errors.ts";
import { AnswerWithCookies, type Route, route } from "../route.ts";
import { getCurrentUser } from "../users/store.ts";
import { FailedSignIns } from "./failed-sign-ins.ts";
import type { Identity } from "./identity.ts";
import { deleteAllSessions, deleteSession, listSessions } from "./store.ts";

export interface SessionDeps {
  readonly identity: Identity;
  readonly db: Db;
  readonly clock: Clock;
}

export function sessionRoutes({ identity, db, clock }: SessionDeps): Route[] {
  const failed = new FailedSignIns(clock);
  return [
    route(contract.signIn, {
      requires: { on: "caller", action: "session.create" },
      prepare: async ({ body: { email, password } }, origin) => {
        const attempt = failed.begin(origin.address, email);
        const checked = await identity.checkPassword(db, email, password).catch((error: unknown) => {
          if (!(error instanceof ApiError)) attempt.undecided();
          throw error;
        });
        attempt.succeeded();
        return checked;
      },
      run: async ({ tx, origin }, _, checked) => {
        const { user_id, cookies } = await identity.startSessionAfter(tx, checked, origin);
        return new AnswerWithCookies(await getCurrentUser({ tx, user_id }), cookies);
      },
      audit: (_, { id }) => ({ subject: `user:${id}`, user_id: id }),
    }),
    route(contract.listSessions, {
      requires: { on: "person", action: "session.list" },
      run: async (access) => ({ sessions: await listSessions(access) }),
    }),
    route(contract.signOut, {
      requires: { on: "person", action: "session.delete" },
      run: async (access) => {
        const { session_id } = access.principal;
        if (session_id === undefined) {
          throw new ApiError("bad_request", "this request carries a key or token, not a session; nothing to sign out");
        }
        await deleteSession(access, session_id);
        return new AnswerWithCookies({}, await identity.signOutCookies());
      },
      audit: () => ({ subject: "session:current" }),
    }),
    route(contract.deleteSession, {
      requires: { on: "person", action: "session.delete" },
      run: async (access, { params: { session_id } }) => {
        if (!(await deleteSession(access, session_id))) throw new ApiError("not_found", "session not found");
        const here = session_id === access.principal.session_id;
        return new AnswerWithCookies({}, here ? await identity.signOutCookies() : []);
      },
      audit: ({ params }) => ({ subject: `session:${params.session_id}` }),
    }),
    route(contract.signOutEverywhere, {
      requires: { on: "person", action: "session.delete" },
      run: async (access) => {
        await deleteAllSessions(access);
        const here = access.principal.session_id !== undefined;
        return new AnswerWithCookies({}, here ? await identity.signOutCookies() : []);
      },
      audit: () => ({ subject: "session:all" }),
    }),
  ];
}
