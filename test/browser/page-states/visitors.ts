import { CLOSED_INSTANCE, INSTANCE, INSTANCE_WITH_MAIL, NEW_INSTANCE } from "./answers.ts";
import { answer, cut, FAILURE, fill, open, type PageState, press, says, steps, submit, titled } from "./state.ts";

const INSTANCE_URL = /\/api\/v2\/instance$/;
const instance = (body: object) => answer(INSTANCE_URL, 200, body);
const LINK = "/invitations/accept#lk_invitation_x";
const RESET = "/reset-password#lk_reset_x";

/** Pages of people who are not signed in, or need not be. */
export const visitorStates = (): readonly PageState[] => [
  { name: "setup-without-link", path: "/setup", prepare: instance(NEW_INSTANCE) },
  { name: "setup", path: "/setup#lk_setup_x", prepare: instance(NEW_INSTANCE) },
  {
    name: "setup-incomplete",
    path: "/setup#lk_setup_x",
    prepare: instance(NEW_INSTANCE),
    act: steps(fill("Password", "short"), submit("Create account"), says("Enter your name.")),
  },
  { name: "setup-done", path: "/setup" },
  { name: "setup-failed", path: "/setup", prepare: answer(INSTANCE_URL, 500, FAILURE) },
  { name: "sign-in", path: "/sign-in" },
  { name: "sign-in-invited-only", path: "/sign-in", prepare: instance(INSTANCE) },
  { name: "sign-in-incomplete", path: "/sign-in", act: steps(press("Sign in"), says("Enter your e-mail address.")) },
  {
    name: "sign-in-refused",
    path: "/sign-in",
    act: steps(
      fill("E-mail", "nobody@example.com"),
      fill("Password", "four unrelated words"),
      press("Sign in"),
      says("E-mail or password is wrong."),
    ),
  },
  {
    name: "sign-in-offline",
    path: "/sign-in",
    prepare: cut(/\/api\/v2\/sessions$/),
    act: steps(
      fill("E-mail", "ada@example.com"),
      fill("Password", "four unrelated words"),
      press("Sign in"),
      says("No connection to the server"),
    ),
  },
  { name: "sign-up", path: "/sign-up" },
  { name: "sign-up-incomplete", path: "/sign-up", act: steps(press("Create account"), says("Enter your name.")) },
  {
    name: "sign-up-taken",
    path: "/sign-up",
    act: steps(
      fill("Name", "Ada"),
      fill("E-mail", "ada@example.com"),
      fill("Password", "four unrelated words"),
      press("Create account"),
      says(/There is an account with this e-mail already/),
    ),
  },
  { name: "sign-up-by-invitation", path: "/sign-up", prepare: instance(INSTANCE) },
  { name: "sign-up-closed", path: "/sign-up", prepare: instance(CLOSED_INSTANCE) },
  { name: "sign-up-failed", path: "/sign-up", prepare: answer(INSTANCE_URL, 500, FAILURE) },
  {
    name: "sign-up-invited",
    path: LINK,
    act: steps((page) => page.getByRole("link", { name: "Create an account" }).click(), titled("Sign up")),
  },
  { name: "forgot-password-without-mail", path: "/forgot-password" },
  { name: "forgot-password", path: "/forgot-password", prepare: instance(INSTANCE_WITH_MAIL) },
  { name: "forgot-password-failed", path: "/forgot-password", prepare: answer(INSTANCE_URL, 500, FAILURE) },
  {
    name: "forgot-password-sent",
    path: "/forgot-password",
    prepare: instance(INSTANCE_WITH_MAIL),
    act: steps(fill("E-mail", "ada@example.com"), press("Send the link"), titled("Check your mail")),
  },
  { name: "reset-password", path: RESET },
  { name: "reset-password-without-link", path: "/reset-password" },
  { name: "reset-password-incomplete", path: RESET, act: press("Set password") },
  {
    name: "reset-password-refused",
    path: RESET,
    act: steps(
      fill("New password", "four unrelated words"),
      press("Set password"),
      titled("This link is not good any more"),
    ),
  },
  { name: "invitation", path: LINK },
  { name: "invitation-without-link", path: "/invitations/accept" },
  { name: "invitation-signed-in", path: LINK, as: "member" },
  {
    name: "invitation-closed",
    path: LINK,
    as: "member",
    act: steps(press("Join the organization"), says("This invitation is no longer open")),
  },
  { name: "missing-visitor", path: "/nowhere" },
  { name: "missing", path: "/nowhere", as: "admin" },
  { name: "missing-member", path: "/nowhere", as: "member" },
  { name: "server-away", path: "/account/profile", as: "admin", prepare: cut(/\/api\/v2\/users\/me$/) },
  { name: "home-failed", path: "/", as: "admin", prepare: answer(/\/users\/me\/organizations$/, 500, FAILURE) },
  { name: "design", path: "/design" },
  { name: "design-dialog", path: "/design", window_only: true, act: open("Dialog") },
  { name: "design-question", path: "/design", window_only: true, act: open("Question") },
];
