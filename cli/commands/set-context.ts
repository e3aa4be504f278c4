import { type CommandFile, command, text } from "../command.ts";
import { writeContextFile } from "../context-file.ts";

const self = command({
  name: "set-context",
  summary: "Write the context file as given, without checks; `link` checks",
  options: {
    "project-id": text("Project ID"),
    "org-id": text("Organization ID"),
    "branch-id": text("Branch ID or name"),
  },
  async run(invocation, { options }) {
    const file = invocation.context_file;
    await writeContextFile(file, {
      ...(options["org-id"] === undefined ? {} : { orgId: options["org-id"] }),
      ...(options["project-id"] === undefined ? {} : { projectId: options["project-id"] }),
      ...(options["branch-id"] === undefined ? {} : { branch: options["branch-id"] }),
    });
    invocation.note(`Wrote ${file}.`);
  },
});

export default { self } satisfies CommandFile;
