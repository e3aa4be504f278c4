import Type, { type Static } from "typebox";
import { Body, Empty, Timestamp, Uuid } from "./common.ts";
import { contract } from "./route.ts";
import { CurrentUser, Email } from "./users.ts";

const tag = "Sessions";

export const Session = Type.Object({
  id: Uuid,
  created_at: Timestamp,
  expires_at: Timestamp,
  address: Type.String(),
  user_agent: Type.String(),
  current: Type.Boolean(),
});
export type Session = Static<typeof Session>;

export const signIn = contract({
  id: "signIn",
  method: "POST",
  path: "/sessions",
  tag,
  summary: "Sign in with e-mail and password; the answer sets the session cookie",
  body: Body({ email: Email, password: Type.String({ minLength: 1, maxLength: 128 }) }),
  status: 201,
  response: CurrentUser,
  secret: true,
});

export const listSessions = contract({
  id: "listSessions",
  method: "GET",
  path: "/sessions",
  tag,
  summary: "Where you are signed in",
  status: 200,
  response: Type.Object({ sessions: Type.Array(Session) }),
});

export const signOut = contract({
  id: "signOut",
  method: "DELETE",
  path: "/sessions/current",
  tag,
  summary: "Sign out here",
  session_only: true,
  status: 200,
  response: Empty,
});

export const deleteSession = contract({
  id: "deleteSession",
  method: "DELETE",
  path: "/sessions/{session_id}",
  tag,
  summary: "Sign one of your sessions out",
  params: Type.Object({ session_id: Uuid }),
  status: 200,
  response: Empty,
});

export const signOutEverywhere = contract({
  id: "signOutEverywhere",
  method: "DELETE",
  path: "/sessions",
  tag,
  summary: "Sign out everywhere, here included",
  status: 200,
  response: Empty,
});
