import { listApiKeys, listOrgApiKeys } from "@latchkey/contract/api-keys.ts";
import { listProjectBranches } from "@latchkey/contract/branches.ts";
import { listOAuthGrants } from "@latchkey/contract/oauth.ts";
import {
  getOrganization,
  getOrganizationInvitations,
  getOrganizationMembers,
} from "@latchkey/contract/organizations.ts";
import { getProject, listProjects } from "@latchkey/contract/projects.ts";
import { listSessions } from "@latchkey/contract/sessions.ts";
import { getCurrentUserOrganizations, getInstance } from "@latchkey/contract/users.ts";
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from "@tanstack/react-router";
import { fragmentToken } from "./api/fragment-token.ts";
import { ask, listQuery, queries, query, whenSignedOut } from "./api/queries.ts";
import { findPerson } from "./api/session.ts";
import { PageFailed, PageMissing } from "./components/Failures.tsx";
import { RootLayout } from "./layouts/Root.tsx";
import { paths } from "./paths.ts";

/**
 * The site map. A path leads to the file of the same name in `pages/`; each page is loaded when it is first
 * visited. Nothing here decides what a person may do: a page asks the API and shows its answer. A `loader` asks ahead of
 * the page, whose code may still be on its way, for what the page shows first.
 */

/** What an address may carry besides its path: how a list is looked at, and what to open on arrival. */
export interface Search {
  /** Text searched for in the page's list. */
  readonly q?: string | undefined;
  /** Column that the list is sorted by; with a minus, descending. */
  readonly sort?: string | undefined;
  /** Opens the page's dialog for something new. */
  readonly create?: boolean | undefined;
  /** The time that a usage page is about, and the length of its steps. */
  readonly range?: string | undefined;
  readonly by?: string | undefined;
  /** The branch that a schema is compared with, and the database whose it is. */
  readonly base?: string | undefined;
  readonly db?: string | undefined;
  /** Where to go after signing in. */
  readonly next?: string | undefined;
}

const root = createRootRoute({
  component: RootLayout,
  errorComponent: PageFailed,
  notFoundComponent: PageMissing,
  // What is left out stays in the address as somebody wrote it; what is undefined is gone from it.
  validateSearch: (search: Record<string, unknown>): Search => ({
    q: search.q ? String(search.q) : undefined,
    sort: text(search.sort),
    create: search.create === true ? true : undefined,
    range: text(search.range),
    by: text(search.by),
    base: text(search.base),
    db: search.db ? String(search.db) : undefined,
    next: isOwnPath(search.next) ? search.next : undefined,
  }),
});

/** Only a path of ours may be returned to: an address with another host in it is somebody's trap. */
function isOwnPath(path: unknown): path is string {
  return typeof path === "string" && /^\/(?![/\\])/.test(path);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Whoever is signed in has come through already. */
async function requireNobody({ search, preload }: { readonly search: Search; readonly preload: boolean }) {
  if (preload || !(await findPerson().catch(() => undefined))) return;
  throw redirect({ href: search.next ?? paths.home(), replace: true });
}

const setup = createRoute({
  getParentRoute: () => root,
  path: "/setup",
  component: lazyRouteComponent(() => import("./pages/setup.tsx"), "SetupPage"),
});
const sign_in = createRoute({
  getParentRoute: () => root,
  path: "/sign-in",
  beforeLoad: async (arrival) => {
    await requireNobody(arrival);
    // A new server has nobody who could sign in; the page that says so is the one to show.
    const instance = await queries.fetchQuery(query(getInstance)).catch(() => undefined);
    if (instance?.needs_setup) throw redirect({ to: "/setup" });
  },
  component: lazyRouteComponent(() => import("./pages/sign-in.tsx"), "SignInPage"),
});
const sign_up = createRoute({
  getParentRoute: () => root,
  path: "/sign-up",
  beforeLoad: async (arrival) => {
    // An invitation may be for another e-mail address than the one that is signed in.
    if (fragmentToken(paths.acceptInvitation()) === undefined) await requireNobody(arrival);
  },
  component: lazyRouteComponent(() => import("./pages/sign-up.tsx"), "SignUpPage"),
});
const forgot_password = createRoute({
  getParentRoute: () => root,
  path: "/forgot-password",
  component: lazyRouteComponent(() => import("./pages/forgot-password.tsx"), "ForgotPasswordPage"),
});
const reset_password = createRoute({
  getParentRoute: () => root,
  path: "/reset-password",
  component: lazyRouteComponent(() => import("./pages/reset-password.tsx"), "ResetPasswordPage"),
});
const accept = createRoute({
  getParentRoute: () => root,
  path: "/invitations/accept",
  component: lazyRouteComponent(() => import("./pages/invitations/accept.tsx"), "AcceptInvitationPage"),
});
const design = createRoute({
  getParentRoute: () => root,
  path: "/design",
  component: lazyRouteComponent(() => import("./pages/design.tsx"), "DesignPage"),
});

const requirePerson = async ({ location }: { readonly location: { readonly href: string } }) => {
  if (await findPerson()) return;
  const next = location.href === "/" ? {} : { next: location.href };
  throw redirect({ to: "/sign-in", search: next, replace: true });
};

const oauth_consent = createRoute({
  getParentRoute: () => root,
  path: "/oauth/consent",
  beforeLoad: requirePerson,
  component: lazyRouteComponent(() => import("./pages/oauth/consent.tsx"), "ConsentPage"),
});
const oauth_device = createRoute({
  getParentRoute: () => root,
  path: "/oauth/device",
  beforeLoad: requirePerson,
  component: lazyRouteComponent(() => import("./pages/oauth/device.tsx"), "DevicePage"),
});
const oauth_refused = createRoute({
  getParentRoute: () => root,
  path: "/oauth/refused",
  component: lazyRouteComponent(() => import("./pages/oauth/refused.tsx"), "RefusedPage"),
});

const signed_in = createRoute({
  getParentRoute: () => root,
  id: "signed-in",
  beforeLoad: requirePerson,
  loader: () => {
    void findPerson().catch(() => undefined);
    ask(query(getCurrentUserOrganizations));
  },
  component: lazyRouteComponent(() => import("./layouts/SignedIn.tsx"), "SignedInLayout"),
  errorComponent: PageFailed,
});
const home = createRoute({
  getParentRoute: () => signed_in,
  path: "/",
  component: lazyRouteComponent(() => import("./pages/home.tsx"), "HomePage"),
});

const account = createRoute({
  getParentRoute: () => signed_in,
  id: "account",
  component: lazyRouteComponent(() => import("./layouts/Account.tsx"), "AccountLayout"),
});
const account_home = createRoute({
  getParentRoute: () => account,
  path: "/account",
  beforeLoad: () => {
    throw redirect({ to: "/account/profile", replace: true });
  },
});
const profile = createRoute({
  getParentRoute: () => account,
  path: "/account/profile",
  component: lazyRouteComponent(() => import("./pages/account/profile.tsx"), "ProfilePage"),
});
const account_keys = createRoute({
  getParentRoute: () => account,
  path: "/account/api-keys",
  loader: () => ask(query(listApiKeys), query(listOAuthGrants)),
  component: lazyRouteComponent(() => import("./pages/account/api-keys.tsx"), "AccountApiKeysPage"),
});
const command_lines = createRoute({
  getParentRoute: () => account,
  path: "/account/command-lines",
  loader: () => ask(query(listOAuthGrants)),
  component: lazyRouteComponent(() => import("./pages/account/command-lines.tsx"), "CommandLinesPage"),
});
const sessions = createRoute({
  getParentRoute: () => account,
  path: "/account/sessions",
  loader: () => ask(query(listSessions)),
  component: lazyRouteComponent(() => import("./pages/account/sessions.tsx"), "SessionsPage"),
});

const new_organization = createRoute({
  getParentRoute: () => signed_in,
  path: "/organizations/new",
  component: lazyRouteComponent(() => import("./pages/organizations/new.tsx"), "NewOrganizationPage"),
});
const organization = createRoute({
  getParentRoute: () => signed_in,
  path: "/organizations/$org_id",
  loader: ({ params }) => ask(query(getOrganization, { params })),
  component: lazyRouteComponent(() => import("./layouts/Organization.tsx"), "OrganizationLayout"),
});
const organization_home = createRoute({
  getParentRoute: () => organization,
  path: "/",
  beforeLoad: ({ params }) => {
    throw redirect({ to: "/organizations/$org_id/projects", params, replace: true });
  },
});
const projects = createRoute({
  getParentRoute: () => organization,
  path: "projects",
  loader: ({ params }) => ask(listQuery(listProjects, { query: { org_id: params.org_id, limit: 400 } })),
  component: lazyRouteComponent(() => import("./pages/organizations/projects.tsx"), "ProjectsPage"),
});
const deleted_projects = createRoute({
  getParentRoute: () => organization,
  path: "projects/deleted",
  component: lazyRouteComponent(() => import("./pages/organizations/deleted-projects.tsx"), "DeletedProjectsPage"),
});
const new_project = createRoute({
  getParentRoute: () => organization,
  path: "projects/new",
  component: lazyRouteComponent(() => import("./pages/organizations/new-project.tsx"), "NewProjectPage"),
});
const usage = createRoute({
  getParentRoute: () => organization,
  path: "usage",
  component: lazyRouteComponent(() => import("./pages/organizations/usage.tsx"), "OrganizationUsagePage"),
});
const members = createRoute({
  getParentRoute: () => organization,
  path: "members",
  loader: ({ params }) =>
    ask(
      listQuery(getOrganizationMembers, { params, query: { limit: 1000 } }),
      query(getOrganizationInvitations, { params }),
    ),
  component: lazyRouteComponent(() => import("./pages/organizations/members.tsx"), "MembersPage"),
});
const organization_settings = createRoute({
  getParentRoute: () => organization,
  path: "settings",
  component: lazyRouteComponent(() => import("./pages/organizations/settings/general.tsx"), "OrganizationSettingsPage"),
});
const organization_keys = createRoute({
  getParentRoute: () => organization,
  path: "settings/api-keys",
  loader: ({ params }) => ask(query(listOrgApiKeys, { params })),
  component: lazyRouteComponent(() => import("./pages/organizations/settings/api-keys.tsx"), "OrganizationApiKeysPage"),
});

const project = createRoute({
  getParentRoute: () => signed_in,
  path: "/projects/$project_id",
  loader: ({ params }) => ask(query(getProject, { params })),
  component: lazyRouteComponent(() => import("./layouts/Project.tsx"), "ProjectLayout"),
});
const project_home = createRoute({
  getParentRoute: () => project,
  path: "/",
  loader: ({ params }) => ask(listQuery(listProjectBranches, { params })),
  component: lazyRouteComponent(() => import("./pages/projects/overview.tsx"), "ProjectPage"),
});
const branches = createRoute({
  getParentRoute: () => project,
  path: "branches",
  loader: ({ params }) => ask(listQuery(listProjectBranches, { params })),
  component: lazyRouteComponent(() => import("./pages/projects/branches.tsx"), "BranchesPage"),
});
const branch = createRoute({
  getParentRoute: () => project,
  path: "branches/$branch_id",
  component: lazyRouteComponent(() => import("./pages/projects/branch.tsx"), "BranchPage"),
});
const schema = createRoute({
  getParentRoute: () => project,
  path: "branches/$branch_id/schema",
  component: lazyRouteComponent(() => import("./pages/projects/schema.tsx"), "SchemaPage"),
});
const project_usage = createRoute({
  getParentRoute: () => project,
  path: "usage",
  component: lazyRouteComponent(() => import("./pages/projects/usage.tsx"), "ProjectUsagePage"),
});
const operations = createRoute({
  getParentRoute: () => project,
  path: "operations",
  component: lazyRouteComponent(() => import("./pages/projects/operations.tsx"), "OperationsPage"),
});
const project_settings = createRoute({
  getParentRoute: () => project,
  path: "settings",
  component: lazyRouteComponent(() => import("./pages/projects/settings.tsx"), "ProjectSettingsPage"),
});

const tree = root.addChildren([
  setup,
  sign_in,
  sign_up,
  forgot_password,
  reset_password,
  accept,
  design,
  oauth_consent,
  oauth_device,
  oauth_refused,
  signed_in.addChildren([
    home,
    account.addChildren([account_home, profile, account_keys, command_lines, sessions]),
    new_organization,
    organization.addChildren([
      organization_home,
      projects,
      deleted_projects,
      new_project,
      usage,
      members,
      organization_settings,
      organization_keys,
    ]),
    project.addChildren([project_home, branches, branch, schema, project_usage, operations, project_settings]),
  ]),
]);

export const router = createRouter({
  routeTree: tree,
  defaultPreload: "intent",
  // A loader only asks; it is the page's queries that know when an answer is out of date.
  defaultStaleTime: Number.POSITIVE_INFINITY,
  defaultNotFoundComponent: PageMissing,
  defaultErrorComponent: PageFailed,
  scrollRestoration: true,
});

// Asks each guard again; the one that finds nobody signed in leads to the sign-in page, and back afterwards.
whenSignedOut(() => void router.invalidate());

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
