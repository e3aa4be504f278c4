import { Navigate } from "@tanstack/react-router";
import { Failure } from "../components/Failures.tsx";
import { lastOrganization, useOrganizations } from "../components/present.ts";
import { paths } from "../paths.ts";

/** Leads to the organization visited last; who belongs to none is led to making one. */
export function HomePage() {
  const organizations = useOrganizations();
  if (organizations.error) {
    return (
      <main id="content" tabIndex={-1} className="mx-auto w-full max-w-[640px] px-4 py-16">
        <h1 className="sr-only">Home</h1>
        <Failure error={organizations.error} onRetry={() => void organizations.refetch()} />
      </main>
    );
  }
  if (organizations.data === undefined) return null;
  const organization = lastOrganization(organizations.data.organizations);
  return <Navigate to={organization ? paths.projects(organization.id) : paths.newOrganization()} replace />;
}
