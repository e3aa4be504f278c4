import { getProject } from "@latchkey/contract/projects.ts";
import { getCurrentUserInfo, getCurrentUserOrganizations, type Organization } from "@latchkey/contract/users.ts";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useEffect } from "react";
import { query } from "../api/queries.ts";

/** Where the person is: who they are, which organization and project the page is about. */

/** The organization of the latest page that was about one, so that account pages lead back to it. */
const STORED_AS = "latchkey.organization";

export function usePerson() {
  return useQuery(query(getCurrentUserInfo)).data;
}

export function useOrganizations() {
  return useQuery({ ...query(getCurrentUserOrganizations), staleTime: 30_000 });
}

export function useProject(project_id: string | undefined) {
  return useQuery({
    ...query(getProject, { params: { project_id: project_id ?? "" } }),
    enabled: project_id !== undefined,
    select: ({ project }) => project,
  });
}

/** The organization that the page belongs to; on pages about the account, the one visited last. */
export function usePresentOrganization(): Organization | undefined {
  const { org_id, project_id } = useParams({ strict: false });
  const organizations = useOrganizations().data?.organizations;
  const project = useProject(project_id).data;
  const named = org_id ?? project?.org_id;
  useEffect(() => {
    if (named !== undefined) remember(named);
  }, [named]);
  if (project_id !== undefined && project === undefined) return undefined;
  if (named !== undefined) return organizations?.find(({ id }) => id === named);
  return lastOrganization(organizations);
}

/** The one to open when none is named: visited last, or the first of the list. */
export function lastOrganization(organizations: readonly Organization[] | undefined): Organization | undefined {
  const last = recall();
  return organizations?.find(({ id }) => id === last) ?? organizations?.[0];
}

function remember(org_id: string): void {
  try {
    localStorage.setItem(STORED_AS, org_id);
  } catch {
    // Without storage the first organization is opened.
  }
}

function recall(): string | null {
  try {
    return localStorage.getItem(STORED_AS);
  } catch {
    return null;
  }
}
