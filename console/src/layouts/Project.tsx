import { Outlet, useParams } from "@tanstack/react-router";
import { isFinal } from "../api/errors.ts";
import { Failure, HomeLink } from "../components/Failures.tsx";
import { useProject } from "../components/present.ts";
import { paths } from "../paths.ts";
import { Page } from "../ui/Page.tsx";
import { Railed, type RailItem } from "./Railed.tsx";

export function projectSections(project_id: string): readonly RailItem[] {
  return [
    { label: "Overview", to: paths.project(project_id) },
    { label: "Branches", to: paths.branches(project_id), holds: true },
    { label: "Usage", to: paths.projectUsage(project_id) },
    { label: "Operations", to: paths.operations(project_id) },
    { label: "Settings", name: "Project settings", to: paths.projectSettings(project_id) },
  ];
}

export function ProjectLayout() {
  const { project_id } = useParams({ from: "/signed-in/projects/$project_id" });
  const project = useProject(project_id);
  if (project.error && (!project.data || isFinal(project.error))) {
    return (
      <main id="content" className="mx-auto w-full max-w-[640px] px-4 py-16">
        <Page title="Project">
          <Failure error={project.error} onRetry={() => void project.refetch()} />
          <HomeLink />
        </Page>
      </main>
    );
  }
  return (
    <Railed title={project.data?.name ?? "Project"} place={project.data?.name} items={projectSections(project_id)}>
      <Outlet />
    </Railed>
  );
}
