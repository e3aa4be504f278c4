import { getOrganization } from "@latchkey/contract/organizations.ts";
import { useQuery } from "@tanstack/react-query";
import { Outlet, useParams } from "@tanstack/react-router";
import { isFinal } from "../api/errors.ts";
import { query } from "../api/queries.ts";
import { Failure, HomeLink } from "../components/Failures.tsx";
import { paths } from "../paths.ts";
import { Page } from "../ui/Page.tsx";
import { Railed, type RailItem } from "./Railed.tsx";

export function organizationSections(org_id: string): readonly RailItem[] {
  return [
    { label: "Projects", to: paths.projects(org_id) },
    { label: "Deleted projects", to: paths.deletedProjects(org_id), nested: true },
    { label: "Usage", name: "Organization usage", to: paths.usage(org_id) },
    { label: "Members", to: paths.members(org_id) },
    { label: "Settings", name: "Organization settings", to: paths.organizationSettings(org_id) },
    { label: "API keys", name: "Organization API keys", to: paths.organizationApiKeys(org_id), nested: true },
  ];
}

export function OrganizationLayout() {
  const { org_id } = useParams({ from: "/signed-in/organizations/$org_id" });
  const organization = useQuery(query(getOrganization, { params: { org_id } }));
  // What could not be read anew stays as it was: a page that goes takes with it what is shown once, and what was typed.
  if (organization.error && (!organization.data || isFinal(organization.error))) {
    return (
      <main id="content" className="mx-auto w-full max-w-[640px] px-4 py-16">
        <Page title="Organization">
          <Failure error={organization.error} onRetry={() => void organization.refetch()} />
          <HomeLink />
        </Page>
      </main>
    );
  }
  return (
    <Railed
      title={organization.data?.name ?? "Organization"}
      place={organization.data?.name}
      items={organizationSections(org_id)}
    >
      <Outlet />
    </Railed>
  );
}
