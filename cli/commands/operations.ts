import { cancelProjectOperation, getProjectOperation, listProjectOperations } from "@latchkey/contract/operations.ts";
import { type Client, OperationError } from "@latchkey/sdk";
import { chooseProject } from "../choose-resource.ts";
import { type CommandFile, command, projectOption, text } from "../command.ts";
import { CliError } from "../exit.ts";

const FIELDS = ["id", "action", "status", "created_at"];
const DEFAULT_LIMIT = 100;

const list = command({
  name: "list",
  summary: "List the latest operations of a project",
  options: { ...projectOption, limit: text(`How many at most; default ${DEFAULT_LIMIT}`) },
  async run(invocation, { options }) {
    const limit = Number(options.limit ?? DEFAULT_LIMIT);
    if (!Number.isInteger(limit) || limit < 1) throw new CliError("usage", "--limit takes a whole number from 1");
    const project_id = await chooseProject(invocation, options["project-id"]);
    const data = await invocation.working("Listing operations", async (client) => {
      const found = [];
      const query = { limit: Math.min(limit, 1000) };
      for await (const operation of client.items(listProjectOperations, {
        params: { project_id },
        query,
        signal: invocation.signal,
      })) {
        if (found.push(operation) === limit) break;
      }
      return found;
    });
    await invocation.print({ data, fields: [...FIELDS, "error"] });
  },
});

const operationArgument = { id: { summary: "Operation ID", required: true } } as const;

const get = command({
  name: "get",
  summary: "Get an operation",
  args: operationArgument,
  options: projectOption,
  async run(invocation, { args, options }) {
    const project_id = await chooseProject(invocation, options["project-id"]);
    const { operation } = await invocation.working("Getting the operation", (client) =>
      client.call(getProjectOperation, { params: { project_id, operation_id: args.id }, signal: invocation.signal }),
    );
    await invocation.print({ data: operation, fields: [...FIELDS, "error"] });
  },
});

/** In all pages: a copy that takes long is older than much that came after it. */
async function findUnderWay(client: Client, project_id: string, signal: AbortSignal) {
  const all = await client.all(listProjectOperations, { params: { project_id }, query: { limit: 1000 }, signal });
  return all.filter(({ status }) => ["scheduling", "running", "cancelling"].includes(status));
}

const wait = command({
  name: "wait",
  summary: "Wait until an operation, or every one that is under way, has ended",
  args: { id: { summary: "Operation ID; all that are under way if left out" } },
  options: projectOption,
  async run(invocation, { args, options }) {
    const project_id = await chooseProject(invocation, options["project-id"]);
    const data = await invocation.working("Waiting for operations", async (client) => {
      const operations = args.id
        ? [(await client.call(getProjectOperation, { params: { project_id, operation_id: args.id } })).operation]
        : await findUnderWay(client, project_id, invocation.signal);
      return await client.waitForOperations(operations, { signal: invocation.signal });
    });
    await invocation.print({ data, fields: FIELDS, empty: "No operation is under way." });
  },
});

const cancel = command({
  name: "cancel",
  summary:
    "Give up the copy of a branch: one that is being made is deleted, one that is being restored stays as it was",
  args: operationArgument,
  options: projectOption,
  async run(invocation, { args, options }) {
    const project_id = await chooseProject(invocation, options["project-id"]);
    const data = await invocation.working("Cancelling the operation", async (client) => {
      const params = { project_id, operation_id: args.id };
      const { operation } = await client.call(cancelProjectOperation, { params, signal: invocation.signal });
      if (operation.status !== "cancelling" || !invocation.global.wait) return operation;
      try {
        const [ended = operation] = await client.waitForOperations([operation], { signal: invocation.signal });
        return ended;
      } catch (error) {
        // To the SDK it has failed; here it is what was asked for.
        if (!(error instanceof OperationError && error.status === "cancelled")) throw error;
        return (await client.call(getProjectOperation, { params, signal: invocation.signal })).operation;
      }
    });
    await invocation.print({ data, fields: [...FIELDS, "error"] });
  },
});

export default { commands: [list, get, wait, cancel] } satisfies CommandFile;
