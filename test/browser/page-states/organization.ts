import { manyKeys } from "../many-keys.ts";
import { manyDeleted, manyMembers, manyProjects } from "./answers.ts";
import {
  answer,
  choose,
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

const dialog = { as: "admin", window_only: true } as const;
const PROJECTS = /\/api\/v2\/projects\?/;
const MEMBERS = /\/members\?/;
const USAGE = /consumption_history/;

/** The pages of an organization, for its admin, a member and somebody who does not belong to it. */
export const organizationStates: States = ({ admin, org_id, empty_org_id }): readonly PageState[] => {
  const at = `/organizations/${org_id}`;
  const keys = `${at}/settings/api-keys`;
  const members = `${at}/members`;
  const usage = `${at}/usage`;
  const projects = `${at}/projects`;
  const deleted = `${projects}/deleted`;
  return [
    { name: "new-organization", path: "/organizations/new", as: "admin" },
    {
      name: "new-organization-first",
      path: "/",
      as: "stranger",
      prepare: answer(/\/users\/me\/organizations$/, 200, { organizations: [] }),
    },
    { name: "new-organization-incomplete", path: "/organizations/new", as: "admin", act: press("Create organization") },

    { name: "projects", path: projects, as: "admin" },
    ...listStates("projects", projects, PROJECTS, { many: manyProjects(org_id, 2_000) }),
    { name: "projects-empty", path: `/organizations/${empty_org_id}/projects`, as: "admin" },
    { name: "projects-member", path: projects, as: "member" },
    { name: "deleted-projects", path: deleted, as: "admin" },
    ...listStates("deleted-projects", deleted, PROJECTS, { many: manyDeleted(org_id, 60) }),
    { name: "deleted-projects-empty", path: `/organizations/${empty_org_id}/projects/deleted`, as: "admin" },
    { name: "deleted-projects-member", path: deleted, as: "member" },
    { ...dialog, name: "project-recover", path: deleted, act: choose("Actions for old-shop", "Recover…") },
    { name: "new-project", path: `${projects}/new`, as: "admin" },
    {
      name: "new-project-incomplete",
      path: `${projects}/new`,
      as: "admin",
      act: steps((page) => page.getByText("Database and role names").click(), submit("Create project")),
    },

    { name: "usage", path: usage, as: "admin" },
    ...listStates("usage", usage, USAGE, { empty: { projects: [] } }),
    { name: "usage-without-projects", path: `/organizations/${empty_org_id}/usage`, as: "admin" },
    { name: "usage-member", path: usage, as: "member" },
    {
      ...dialog,
      name: "usage-step",
      path: usage,
      act: async (page) => {
        await page.getByRole("application").first().focus();
        await page.keyboard.press("ArrowRight");
      },
    },

    { name: "members", path: members, as: "admin" },
    ...listStates("members", members, MEMBERS, { many: manyMembers(1_000) }),
    { name: "members-member", path: members, as: "member" },
    { ...dialog, name: "member-menu", path: members, act: openMenu("Actions for Charles Babbage") },
    { ...dialog, name: "member-menu-member", as: "member", path: members, act: openMenu("Actions for Ada Lovelace") },
    {
      ...dialog,
      name: "member-role",
      path: members,
      act: choose("Actions for Charles Babbage", "Change member role…"),
    },
    { ...dialog, name: "member-remove", path: members, act: choose("Actions for Charles Babbage", "Remove…") },
    {
      ...dialog,
      name: "member-leave",
      as: "member",
      path: members,
      act: choose("Actions for Charles Babbage", "Leave…"),
    },
    {
      ...dialog,
      name: "member-leave-refused",
      path: members,
      act: steps(choose("Actions for Ada Lovelace", "Leave…"), press("Leave organization"), says(/admin/)),
    },
    { ...dialog, name: "invite", path: members, act: open("Invite a person") },
    {
      ...dialog,
      name: "invite-refused",
      path: members,
      act: steps(open("Invite a person"), fill("E-mail", "charles@example.com"), submit("Invite"), says(/already/)),
    },
    { ...dialog, name: "invitation-withdraw", path: members, act: choose("Actions for mary@example.com", "Withdraw…") },

    { name: "organization-settings", path: `${at}/settings`, as: "admin" },
    {
      name: "organization-settings-incomplete",
      path: `${at}/settings`,
      as: "admin",
      act: steps(fill("Name", ""), press("Rename")),
    },
    { name: "organization-settings-member", path: `${at}/settings`, as: "member" },
    {
      name: "organization-settings-refused",
      path: `${at}/settings`,
      as: "member",
      act: steps(press("Rename"), says(/[Aa]dmin/)),
    },

    { name: "organization-api-keys", path: keys, as: "admin" },
    ...listStates("organization-api-keys", keys, /\/organizations\/[^/]+\/api_keys$/, {
      many: manyKeys(1_000, { id: admin.user_id, name: "Ada Lovelace" }),
    }),
    { name: "organization-api-keys-empty", path: `/organizations/${empty_org_id}/settings/api-keys`, as: "admin" },
    { name: "organization-api-keys-member", path: keys, as: "member" },
    { ...dialog, name: "organization-key-create", path: keys, act: open("Create new API key") },
    { ...dialog, name: "organization-key-revoke", path: keys, act: choose(/^Actions for/, "Revoke…") },

    { name: "organization-stranger", path: members, as: "stranger" },
    {
      name: "organization-failed",
      path: projects,
      as: "admin",
      prepare: answer(/\/organizations\/[^/]+$/, 500, { request_id: "", code: "", message: "" }),
    },
  ];
};
