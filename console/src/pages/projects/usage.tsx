import { useParams } from "@tanstack/react-router";
import { useProject } from "../../components/present.ts";
import { Usage } from "../../components/usage/Usage.tsx";
import { Page } from "../../ui/Page.tsx";

export function ProjectUsagePage() {
  const { project_id } = useParams({ from: "/signed-in/projects/$project_id/usage" });
  const org_id = useProject(project_id).data?.org_id;
  return (
    <Page
      title="Usage"
      description="What the computes and branches of this project have used, deleted branches included."
    >
      <Usage org_id={org_id} project_id={project_id} />
    </Page>
  );
}
