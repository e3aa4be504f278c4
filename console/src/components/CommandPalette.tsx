import { Autocomplete } from "@base-ui/react/autocomplete";
import { Dialog } from "@base-ui/react/dialog";
import { listProjectBranches } from "@latchkey/contract/branches.ts";
import { listProjects } from "@latchkey/contract/projects.ts";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { Search } from "lucide-react";
import { useMemo } from "react";
import { listQuery } from "../api/queries.ts";
import { ACCOUNT_SECTIONS } from "../layouts/Account.tsx";
import { organizationSections } from "../layouts/Organization.tsx";
import { projectSections } from "../layouts/Project.tsx";
import type { RailItem } from "../layouts/Railed.tsx";
import { paths } from "../paths.ts";
import { useOrganizations, usePresentOrganization, useProject } from "./present.ts";
import { signOutFromMenu } from "./sign-out.ts";
import { THEMES, useTheme } from "./theme.ts";

interface Command {
  readonly value: string;
  readonly label: string;
  readonly run: () => void;
}

interface Group {
  readonly value: string;
  readonly items: Command[];
}

interface CommandPaletteProps {
  readonly open: boolean;
  readonly onClose: () => void;
}

/** Every page and the few actions, by name. */
export function CommandPalette({ open, onClose }: CommandPaletteProps) {
  return (
    <Dialog.Root open={open} onOpenChange={(next) => next || onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-40 bg-shade" />
        <Dialog.Viewport className="fixed inset-0 z-40 flex items-start justify-center px-4 pt-[10vh] pb-4">
          <Dialog.Popup
            aria-label="Command palette"
            className="flex max-h-[min(28rem,80dvh)] w-full max-w-[560px] flex-col overflow-hidden rounded-lg border border-line bg-raised shadow-popup outline-none"
          >
            <Commands onClose={onClose} />
          </Dialog.Popup>
        </Dialog.Viewport>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Commands({ onClose }: { readonly onClose: () => void }) {
  const groups = useGroups();
  return (
    <Autocomplete.Root open inline items={groups} autoHighlight="always" keepHighlight>
      <div className="flex shrink-0 items-center gap-2.5 border-b border-line px-4">
        <Search aria-hidden className="size-4 shrink-0 text-muted" />
        <Autocomplete.Input
          aria-label="Search pages and actions"
          placeholder="Go to a page or a project, or do something…"
          className="h-12 w-full bg-transparent text-14 outline-none placeholder:text-faint max-sm:text-16"
        />
        <Dialog.Close className="rounded-md px-1.5 py-0.5 text-13 text-muted hover:bg-hover hover:text-text">
          Close
        </Dialog.Close>
      </div>
      <Autocomplete.Empty>
        <p className="px-4 py-6 text-muted">Nothing has that name.</p>
      </Autocomplete.Empty>
      <Autocomplete.List className="min-h-0 overflow-y-auto overscroll-contain p-1.5 empty:p-0">
        {(group: Group) => (
          <Autocomplete.Group key={group.value} items={group.items}>
            <Autocomplete.GroupLabel className="px-2.5 pt-2 pb-1 text-13 text-muted">
              {group.value}
            </Autocomplete.GroupLabel>
            <Autocomplete.Collection>
              {(command: Command) => (
                <Autocomplete.Item
                  key={command.value}
                  value={command}
                  onClick={() => {
                    onClose();
                    command.run();
                  }}
                  className="flex h-8 items-center truncate rounded-md px-2.5 outline-none select-none data-highlighted:bg-hover max-sm:h-10"
                >
                  {command.label}
                </Autocomplete.Item>
              )}
            </Autocomplete.Collection>
          </Autocomplete.Group>
        )}
      </Autocomplete.List>
    </Autocomplete.Root>
  );
}

function useGroups(): Group[] {
  const navigate = useNavigate();
  const [, setTheme] = useTheme();
  const present = usePresentOrganization();
  const { project_id, branch_id } = useParams({ strict: false });
  const project = useProject(project_id).data;
  const organizations = useOrganizations().data?.organizations;
  const projects = useQuery({
    ...listQuery(listProjects, { query: { org_id: present?.id ?? "", limit: 400 } }),
    enabled: present !== undefined,
    staleTime: 30_000,
  }).data;
  const branches = useQuery({
    ...listQuery(listProjectBranches, { params: { project_id: project_id ?? "" } }),
    enabled: project_id !== undefined,
  }).data;

  return useMemo(() => {
    const go = (label: string, to: string, search = {}): Command => ({
      value: `${label} ${to}`,
      label,
      run: () => void navigate({ to, search }),
    });
    const pages = (items: readonly RailItem[]) => items.map(({ name, label, to }) => go(name ?? label, to));
    const groups: Group[] = [
      {
        value: "Do",
        items: [
          go("Create new API key", paths.apiKeys(), { create: true }),
          ...(present
            ? [
                go("Create project", paths.newProject(present.id)),
                go("Create organization API key", paths.organizationApiKeys(present.id), { create: true }),
                go("Invite a person", paths.members(present.id), { create: true }),
              ]
            : []),
          go("Create organization", paths.newOrganization()),
          ...THEMES.map(({ value, label }) => ({
            value: `theme ${value}`,
            label: `Theme: ${label.toLowerCase()}`,
            run: () => setTheme(value),
          })),
          { value: "sign out", label: "Sign out", run: signOutFromMenu },
        ],
      },
      ...(project
        ? [
            {
              value: project.name,
              items: [
                go("Create branch", paths.branches(project.id), { create: true }),
                ...pages(projectSections(project.id)),
              ],
            },
            {
              value: "Branches",
              items: (branches ?? []).flatMap(({ id, name }) => [
                go(name, paths.branch(project.id, id)),
                ...(id === branch_id ? [go(`Schema of ${name}`, paths.schema(project.id, id))] : []),
              ]),
            },
          ]
        : []),
      ...(present ? [{ value: present.name, items: pages(organizationSections(present.id)) }] : []),
      { value: "Account", items: pages(ACCOUNT_SECTIONS) },
      { value: "Projects", items: (projects ?? []).map(({ id, name }) => go(name, paths.project(id))) },
      { value: "Organizations", items: (organizations ?? []).map(({ id, name }) => go(name, paths.projects(id))) },
    ];
    return groups.filter(({ items }) => items.length > 0);
  }, [navigate, setTheme, present, project, branches, branch_id, organizations, projects]);
}
