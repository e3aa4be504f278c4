import { listProjectBranches } from "@latchkey/contract/branches.ts";
import { listProjects } from "@latchkey/contract/projects.ts";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { ChevronsUpDown, Plus } from "lucide-react";
import type { ReactNode } from "react";
import { listQuery } from "../api/queries.ts";
import { paths } from "../paths.ts";
import { Menu, MenuGroup, MenuLink, MenuSeparator } from "../ui/Menu.tsx";
import { useOrganizations, usePresentOrganization, useProject } from "./present.ts";

/** Organization / project / branch: where one is, and each a way to another of its kind. */
export function Breadcrumb() {
  const { project_id, branch_id } = useParams({ strict: false });
  return (
    <nav aria-label="Breadcrumb" className="min-w-0">
      <ol className="flex min-w-0 items-center">
        <OrganizationCrumb />
        {project_id !== undefined && <ProjectCrumb project_id={project_id} />}
        {project_id !== undefined && branch_id !== undefined && (
          <BranchCrumb project_id={project_id} branch_id={branch_id} />
        )}
      </ol>
    </nav>
  );
}

function OrganizationCrumb() {
  const present = usePresentOrganization();
  const known = useOrganizations().data?.organizations;
  const organizations = known ?? [];
  const { org_id } = useParams({ strict: false });
  // One that the person does not belong to has no name for them.
  const unknown = known && (org_id !== undefined || known.length === 0) ? "No organization" : undefined;
  return (
    <Crumb kind="organization" name={present?.name ?? unknown} first>
      <MenuGroup label="Organizations">
        {organizations.map(({ id, name }) => (
          <MenuLink key={id} link={<Link to={paths.projects(id)} />} current={id === present?.id}>
            <span className="truncate">{name}</span>
          </MenuLink>
        ))}
      </MenuGroup>
      <MenuSeparator />
      <MenuLink link={<Link to={paths.newOrganization()} />}>
        <Plus aria-hidden />
        Create organization
      </MenuLink>
    </Crumb>
  );
}

function ProjectCrumb({ project_id }: { readonly project_id: string }) {
  const { data: project, isError } = useProject(project_id);
  const org_id = project?.org_id;
  const projects = useQuery({
    ...listQuery(listProjects, { query: { org_id: org_id ?? "", limit: 400 } }),
    enabled: org_id !== undefined,
    staleTime: 30_000,
  });
  return (
    <Crumb kind="project" name={project?.name ?? (isError ? "Unknown project" : undefined)}>
      <MenuGroup label="Projects">
        {projects.data?.map(({ id, name }) => (
          <MenuLink key={id} link={<Link to={paths.project(id)} />} current={id === project_id}>
            <span className="truncate">{name}</span>
          </MenuLink>
        ))}
      </MenuGroup>
      {org_id !== undefined && (
        <>
          <MenuSeparator />
          <MenuLink link={<Link to={paths.newProject(org_id)} />}>
            <Plus aria-hidden />
            Create project
          </MenuLink>
        </>
      )}
    </Crumb>
  );
}

function BranchCrumb({ project_id, branch_id }: { readonly project_id: string; readonly branch_id: string }) {
  const branches = useQuery(listQuery(listProjectBranches, { params: { project_id } }));
  const found = branches.data?.find(({ id }) => id === branch_id);
  // A branch that has gone, or a list that did not come: a crumb that loads for ever would promise something.
  const unknown = branches.isError || branches.isSuccess;
  return (
    <Crumb kind="branch" name={found?.name ?? (unknown ? "Unknown branch" : undefined)}>
      <MenuGroup label="Branches">
        {branches.data?.map(({ id, name }) => (
          <MenuLink key={id} link={<Link to={paths.branch(project_id, id)} />} current={id === branch_id}>
            <span className="truncate">{name}</span>
          </MenuLink>
        ))}
      </MenuGroup>
    </Crumb>
  );
}

interface CrumbProps {
  readonly kind: string;
  readonly name: string | undefined;
  readonly first?: boolean;
  readonly children: ReactNode;
}

function Crumb({ kind, name, first = false, children }: CrumbProps) {
  return (
    <li className="flex min-w-0 items-center last:shrink-0">
      {!first && (
        <span aria-hidden className="px-0.5 text-faint">
          /
        </span>
      )}
      <Menu
        className="w-64"
        trigger={
          <button
            type="button"
            aria-label={`Switch ${kind}${name === undefined ? "" : `, now ${name}`}`}
            className="flex h-8 min-w-0 items-center gap-1 rounded-md px-2 font-medium hover:bg-hover data-popup-open:bg-pressed"
          >
            {name === undefined ? (
              <span className="skeleton h-3.5 w-16" />
            ) : (
              <span className="max-w-[14ch] truncate sm:max-w-[24ch]">{name}</span>
            )}
            <ChevronsUpDown aria-hidden className="size-3.5 shrink-0 text-muted" />
          </button>
        }
      >
        {children}
      </Menu>
    </li>
  );
}
