import Type from "typebox";
import { Body, Empty } from "./common.ts";
import { contract } from "./route.ts";
import { Email, Password } from "./users.ts";

const tag = "Sessions";

export const requestPasswordReset = contract({
  id: "requestPasswordReset",
  method: "POST",
  path: "/password_resets",
  tag,
  summary: "Ask for a link to set a new password",
  description:
    "It goes by mail to the address, if somebody here has that; the answer is the same if nobody has. The link works " +
    "once, for 30 minutes.",
  body: Body({ email: Email }),
  status: 200,
  response: Type.Object({
    by_mail: Type.Boolean({
      description:
        "Whether this server sends mail. If not, nothing was sent, and whoever runs the server makes the link there.",
    }),
  }),
});

export const resetPassword = contract({
  id: "resetPassword",
  method: "POST",
  path: "/password_resets/use",
  tag,
  summary: "Set a new password with the token of such a link",
  description:
    "Ends all sessions of the person and the logins of their command lines, and every other such link. API keys stay, " +
    "unless the account was signed up for where anybody may, and a mailed link is the first proof of its mailbox.",
  body: Body({ reset_token: Type.String({ minLength: 1, maxLength: 128 }), new_password: Password }),
  status: 200,
  response: Empty,
});
