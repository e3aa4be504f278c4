import { Autocomplete } from "@base-ui/react/autocomplete";
import { Dialog } from "@base-ui/react/dialog";
import { listProjects } from "@latchkey/contract/projects.ts";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { Search } from "lucide-react";
import { useMemo } from "react";
import { listQuery } from "../api/queries.ts";
import { paths } from "../paths.ts";
import { useOrganizations, usePresentOrganization, useProject } from "./present.ts";
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
  const { project_id } = useParams({ strict: false });
  const project = useProject(project_id).data;
  const organizations = useOrganizations().data?.organizations;
  const projects = useQuery({
    ...listQuery(listProjects, { query: { org_id: present?.id ?? "", limit: 400 } }),
    enabled: present !== undefined,
    staleTime: 30_000,
  }).data;

  return useMemo(() => {
    const go = (label: string, to: string, search = {}): Command => ({
      value: `${label} ${to}`,
      label,
      run: () => void navigate({ to, search }),
    });
    const here = present && [
      go("Projects", paths.projects(present.id)),
      go("Deleted projects", paths.deletedProjects(present.id)),
      go("Organization usage", paths.usage(present.id)),
      go("Members", paths.members(present.id)),
      go("Organization settings", paths.organizationSettings(present.id)),
      go("Organization API keys", paths.organizationApiKeys(present.id)),
    ];
    const of_project = project && [
      go("Create branch", paths.branches(project.id), { create: true }),
      go("Branches", paths.branches(project.id)),
      go("Usage", paths.projectUsage(project.id)),
      go("Operations", paths.operations(project.id)),
      go("Project settings", paths.projectSettings(project.id)),
    ];
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
        ],
      },
      ...(of_project && project ? [{ value: project.name, items: of_project }] : []),
      ...(here && present ? [{ value: present.name, items: here }] : []),
      {
        value: "Account",
        items: [go("API keys", paths.apiKeys()), go("Sessions", paths.sessions()), go("Profile", paths.profile())],
      },
      { value: "Projects", items: (projects ?? []).map(({ id, name }) => go(name, paths.project(id))) },
      { value: "Organizations", items: (organizations ?? []).map(({ id, name }) => go(name, paths.projects(id))) },
    ];
    return groups.filter(({ items }) => items.length > 0);
  }, [navigate, setTheme, present, project, organizations, projects]);
}
