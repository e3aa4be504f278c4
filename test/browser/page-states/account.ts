import type { Page } from "playwright-core";
import { manyKeys } from "../many-keys.ts";
import { manyCommandLines, manySessions } from "./answers.ts";
import {
  answer,
  choose,
  FAILURE,
  fill,
  listStates,
  open,
  openMenu,
  type PageState,
  press,
  type States,
  says,
  steps,
  submit,
} from "./state.ts";

const KEYS = "/account/api-keys";
const dialog = { as: "admin", window_only: true } as const;

/** The settings of the person who is signed in, and what every page has at its top. */
export const accountStates: States = ({ admin }): readonly PageState[] => [
  { name: "profile", path: "/account/profile", as: "admin" },
  { name: "profile-member", path: "/account/profile", as: "member" },
  { name: "profile-incomplete", path: "/account/profile", as: "admin", act: press("Change password") },

  { name: "account-api-keys", path: KEYS, as: "admin" },
  ...listStates("account-api-keys", KEYS, /\/api_keys$/, {
    empty: [],
    many: manyKeys(10_000, { id: admin.user_id, name: "Ada Lovelace" }),
  }),
  { name: "account-api-keys-member", path: KEYS, as: "member" },
  {
    name: "account-api-keys-no-match",
    path: `${KEYS}?q=elsewhere`,
    as: "admin",
    prepare: answer(/\/api_keys$/, 200, manyKeys(20, { id: admin.user_id, name: "Ada Lovelace" })),
  },
  { ...dialog, name: "key-create", path: KEYS, act: open("Create new API key") },
  {
    ...dialog,
    name: "key-create-incomplete",
    path: KEYS,
    act: steps(open("Create new API key"), (page) => page.getByLabel("A project").check(), submit("Create")),
  },
  {
    ...dialog,
    name: "key-create-taken",
    path: KEYS,
    act: steps(
      open("Create new API key"),
      fill("Name", "ci-deploy"),
      submit("Create"),
      says("That name is taken by another live key."),
    ),
  },
  { ...dialog, name: "key-menu", path: KEYS, act: openMenu("Actions for ci-deploy") },
  { ...dialog, name: "key-revoke", path: KEYS, act: choose("Actions for ci-deploy", "Revoke…") },
  {
    ...dialog,
    name: "key-revoke-failed",
    path: KEYS,
    prepare: answer(/\/api_keys\/\d+$/, 500, FAILURE),
    act: steps(choose("Actions for ci-deploy", "Revoke…"), press("Revoke key"), says("The server failed")),
  },

  { name: "command-lines", path: "/account/command-lines", as: "admin" },
  ...listStates("command-lines", "/account/command-lines", /\/oauth_grants$/, { many: manyCommandLines(60) }),
  { name: "command-lines-empty", path: "/account/command-lines", as: "member" },
  {
    ...dialog,
    name: "command-line-sign-out",
    path: "/account/command-lines",
    act: choose(/^Actions for/, "Sign out…"),
  },

  { name: "sessions", path: "/account/sessions", as: "admin" },
  ...listStates("sessions", "/account/sessions", /\/api\/v2\/sessions$/, { many: manySessions(60) }),
  { ...dialog, name: "session-sign-out", path: "/account/sessions", act: choose(/^Actions for/, "Sign out…") },
  { ...dialog, name: "sign-out-everywhere", path: "/account/sessions", act: open("Sign out everywhere") },

  { ...dialog, name: "user-menu", path: KEYS, act: openMenu(/User menu/) },
  { ...dialog, name: "palette", path: KEYS, act: openPalette },
  {
    ...dialog,
    name: "palette-no-match",
    path: KEYS,
    act: steps(openPalette, (page) => page.getByRole("combobox").fill("zzzz")),
  },
];

async function openPalette(page: Page): Promise<void> {
  await page.keyboard.press("Control+k");
  await page.getByRole("dialog", { name: "Command palette" }).waitFor();
}
