import { INSTANCE, manyOperations, operations, SCHEMA_DIFF } from "./answers.ts";
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

const dialog = { as: "admin", window_only: true } as const;
const BRANCHES = /\/api\/v2\/projects\/[^/]+\/branches$/;
const OPERATIONS = /\/operations\?/;
const PARTS = /\/(roles|databases|endpoints)$/;

/** The pages of a project and of its branches. */
export const projectStates: States = ({ project_id, branch_id, bare_branch_id }): readonly PageState[] => {
  const at = `/projects/${project_id}`;
  const branches = `${at}/branches`;
  const branch = `${branches}/${branch_id}`;
  const schema = `${branches}/${bare_branch_id}/schema`;
  const usage = `${at}/usage?range=24h`;
  return [
    { name: "project", path: at, as: "admin" },
    { name: "project-member", path: at, as: "member" },
    { name: "project-stranger", path: at, as: "stranger" },
    { name: "project-loading", path: at, as: "admin", held: PARTS },
    { name: "project-away", path: at, as: "admin", prepare: answer(PARTS, 500, FAILURE) },
    { name: "project-unpooled", path: at, as: "admin", prepare: answer(/\/instance$/, 200, INSTANCE) },
    { ...dialog, name: "project-password", path: at, act: steps(press("Show password"), says("Hide password")) },
    {
      ...dialog,
      name: "project-working",
      path: at,
      prepare: answer(OPERATIONS, 200, operations(project_id, "running")),
    },
    { ...dialog, name: "project-failed", path: at, prepare: answer(OPERATIONS, 200, operations(project_id, "failed")) },
    { ...dialog, name: "switcher", path: at, act: openMenu(/Switch project/) },

    { name: "project-settings", path: `${at}/settings`, as: "admin" },
    { name: "project-settings-member", path: `${at}/settings`, as: "member" },
    {
      ...dialog,
      name: "project-limits-unlike",
      path: `${at}/settings`,
      act: steps(fill("Processor time, in hours", "a lot"), submit("Save limits")),
    },
    { ...dialog, name: "project-transfer", path: `${at}/settings`, act: open("Transfer project…") },
    {
      ...dialog,
      name: "project-transfer-unlike",
      path: `${at}/settings`,
      act: steps(open("Transfer project…"), submit("Transfer project")),
    },
    { ...dialog, name: "project-delete", path: `${at}/settings`, act: open("Delete project…") },
    {
      ...dialog,
      name: "project-delete-unlike",
      path: `${at}/settings`,
      act: steps(open("Delete project…"), fill("Type storefront to confirm", "store"), submit("Delete project")),
    },
    {
      ...dialog,
      name: "project-delete-refused",
      as: "member",
      path: `${at}/settings`,
      act: steps(
        open("Delete project…"),
        fill("Type storefront to confirm", "storefront"),
        submit("Delete project"),
        says("Only admins delete projects"),
      ),
    },

    { name: "project-usage", path: usage, as: "admin" },
    { name: "usage-hours", path: `${at}/usage?range=7d&by=hourly`, as: "admin" },
    ...listStates("project-usage", usage, /consumption_history/, { empty: { projects: [] } }),

    { name: "operations", path: `${at}/operations`, as: "admin" },
    { name: "operations-member", path: `${at}/operations`, as: "member" },
    ...listStates("operations", `${at}/operations`, OPERATIONS, {
      empty: { operations: [] },
      many: manyOperations(project_id, branch_id, 600),
    }),
    {
      name: "operations-running",
      path: `${at}/operations`,
      as: "admin",
      prepare: answer(OPERATIONS, 200, operations(project_id, "running")),
    },

    { name: "branches", path: branches, as: "admin" },
    { name: "branches-member", path: branches, as: "member" },
    ...listStates("branches", branches, BRANCHES, {}),
    { ...dialog, name: "branch-create", path: branches, act: open("Create branch") },
    { ...dialog, name: "branch-menu", path: branches, act: openMenu("Actions for preview/login") },
    { ...dialog, name: "branch-menu-protected", path: branches, act: openMenu("Actions for staging") },
    { ...dialog, name: "branch-rename", path: branches, act: choose("Actions for preview/login", "Rename…") },
    { ...dialog, name: "branch-expiry", path: branches, act: choose("Actions for preview/login", "Set expiry…") },
    {
      ...dialog,
      name: "branch-default",
      path: branches,
      act: choose("Actions for ada/try-index", "Make it the default…"),
    },
    { ...dialog, name: "branch-protect", path: branches, act: choose("Actions for ada/try-index", "Protect…") },
    { ...dialog, name: "branch-unprotect", path: branches, act: choose("Actions for staging", "End protection…") },
    { ...dialog, name: "branch-reset", path: branches, act: choose("Actions for preview/login", "Reset…") },
    { ...dialog, name: "branch-delete", path: branches, act: choose("Actions for ada/try-index", "Delete…") },

    { name: "branch", path: branch, as: "admin" },
    { name: "branch-member", path: branch, as: "member" },
    { name: "branch-without-compute", path: `${branches}/${bare_branch_id}`, as: "admin" },
    { name: "branch-missing", path: `${branches}/br-gone`, as: "admin" },
    { name: "branch-loading", path: branch, as: "admin", held: PARTS },
    { name: "branch-failed", path: branch, as: "admin", prepare: answer(PARTS, 500, FAILURE) },
    {
      ...dialog,
      name: "branch-working",
      path: branch,
      prepare: answer(OPERATIONS, 200, operations(project_id, "running", branch_id)),
    },
    { ...dialog, name: "compute-menu", path: branch, act: openMenu("More for this compute") },
    { ...dialog, name: "compute-settings", path: branch, act: choose("More for this compute", "Settings…") },
    { ...dialog, name: "compute-restart", path: branch, act: open("Restart") },
    { ...dialog, name: "compute-suspend", path: branch, act: open("Suspend") },
    { ...dialog, name: "role-create", path: branch, act: open("Create role") },
    { ...dialog, name: "role-password", path: branch, act: choose(/^Actions for role/, "Show password…") },
    { ...dialog, name: "role-reset-password", path: branch, act: choose(/^Actions for role/, "Reset password…") },
    { ...dialog, name: "role-delete", path: branch, act: choose(/^Actions for role/, "Delete…") },
    { ...dialog, name: "database-create", path: branch, act: open("Create database") },
    {
      ...dialog,
      name: "database-change",
      path: branch,
      act: choose(/^Actions for database/, "Change name or owner…"),
    },
    { ...dialog, name: "database-delete", path: branch, act: choose(/^Actions for database/, "Delete…") },

    {
      name: "schema-differs",
      path: schema,
      as: "admin",
      prepare: answer(/compare_schema/, 200, { diff: SCHEMA_DIFF }),
    },
    { name: "schema-same", path: schema, as: "admin", act: says(/is the same in main/) },
    { name: "schema-loading", path: schema, as: "admin", held: /compare_schema/ },
    { name: "schema-failed", path: schema, as: "admin", prepare: answer(/compare_schema/, 500, FAILURE) },
    { name: "schema", path: `${branch}/schema`, as: "admin" },
  ];
};
