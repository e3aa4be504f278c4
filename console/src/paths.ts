/** Every path of the Console that code leads to. `routes.tsx` is the site map that answers them. */
export const paths = {
  home: () => "/",
  signIn: () => "/sign-in",
  signUp: () => "/sign-up",
  setup: () => "/setup",
  forgotPassword: () => "/forgot-password",
  resetPassword: () => "/reset-password",
  acceptInvitation: () => "/invitations/accept",
  design: () => "/design",

  profile: () => "/account/profile",
  sessions: () => "/account/sessions",
  apiKeys: () => "/account/api-keys",
  commandLines: () => "/account/command-lines",

  newOrganization: () => "/organizations/new",
  projects: (org_id: string) => `/organizations/${org_id}/projects`,
  deletedProjects: (org_id: string) => `/organizations/${org_id}/projects/deleted`,
  newProject: (org_id: string) => `/organizations/${org_id}/projects/new`,
  usage: (org_id: string) => `/organizations/${org_id}/usage`,
  members: (org_id: string) => `/organizations/${org_id}/members`,
  organizationSettings: (org_id: string) => `/organizations/${org_id}/settings`,
  organizationApiKeys: (org_id: string) => `/organizations/${org_id}/settings/api-keys`,

  project: (project_id: string) => `/projects/${project_id}`,
  branches: (project_id: string) => `/projects/${project_id}/branches`,
  branch: (project_id: string, branch_id: string) => `/projects/${project_id}/branches/${branch_id}`,
  schema: (project_id: string, branch_id: string) => `/projects/${project_id}/branches/${branch_id}/schema`,
  projectUsage: (project_id: string) => `/projects/${project_id}/usage`,
  operations: (project_id: string) => `/projects/${project_id}/operations`,
  projectSettings: (project_id: string) => `/projects/${project_id}/settings`,
};
