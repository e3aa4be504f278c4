import {
  createProjectEndpoint,
  deleteProjectEndpoint,
  type Endpoint,
  getProjectEndpoint,
  listProjectBranchEndpoints,
  listProjectEndpoints,
  restartProjectEndpoint,
  startProjectEndpoint,
  suspendProjectEndpoint,
  updateProjectEndpoint,
} from "@latchkey/contract/endpoints.ts";
import type { Operation } from "@latchkey/contract/operations.ts";
import { chooseBranch, chooseBranchPath, chooseProject, findOnlyEndpoint, pickForChange } from "../choose-resource.ts";
import { branchOptions, type CommandFile, command, flag, list as listOption, projectOption, text } from "../command.ts";
import { computeSizeOf, computeSizeOption } from "../compute-size.ts";
import { CliError } from "../exit.ts";
import type { Invocation } from "../invocation.ts";
import { suspendTimeoutOf, suspendTimeoutOption } from "../suspend-timeout.ts";
import { endpointLogs } from "./endpoint-logs.ts";

const FIELDS = ["id", "name", "host", "type", "branch_id", "current_state"];
const endpointArgument = { endpoint: { summary: "Endpoint ID" } } as const;

/** The path of the compute that a change is about: the one that is named, else the one that the person picks. */
async function chooseEndpointPath(
  invocation: Invocation,
  given: string | undefined,
  options: { readonly "project-id": string | undefined },
) {
  const project_id = await chooseProject(invocation, options["project-id"]);
  if (given !== undefined) return { project_id, endpoint_id: given };
  const picked = await pickForChange(invocation, "compute", "latchkey endpoints list", async (client) =>
    (await client.call(listProjectEndpoints, { params: { project_id } })).endpoints.map(({ id, name, branch_id }) => ({
      id,
      name: name ?? branch_id,
    })),
  );
  return { project_id, endpoint_id: picked.id };
}

async function getEndpoint(invocation: Invocation, params: { project_id: string; endpoint_id: string }) {
  const { endpoint } = await invocation.working("Getting the compute", (client) =>
    client.call(getProjectEndpoint, { params, signal: invocation.signal }),
  );
  return endpoint;
}

/** Waits for what a change has started, and prints what the compute is then. */
async function printSettled(
  invocation: Invocation,
  { endpoint, operations }: { readonly endpoint: Endpoint; readonly operations: readonly Operation[] },
  label: string,
): Promise<void> {
  const { project_id, id: endpoint_id } = endpoint;
  const waits = operations.length > 0 && invocation.global.wait;
  await invocation.settle(operations, label);
  const data = waits ? await getEndpoint(invocation, { project_id, endpoint_id }) : endpoint;
  await invocation.print({ data, fields: [...FIELDS, "pending_state"] });
}

const list = command({
  name: "list",
  summary: "List the computes of a project or a branch",
  options: { ...branchOptions, branch: text("Branch ID or name; all branches if left out") },
  async run(invocation, { options }) {
    const { signal } = invocation;
    const project_id = await chooseProject(invocation, options["project-id"]);
    const branch = options.branch && (await chooseBranch(invocation, project_id, options.branch));
    const { endpoints } = await invocation.working("Listing computes", (client) =>
      branch
        ? client.call(listProjectBranchEndpoints, { params: { project_id, branch_id: branch.id }, signal })
        : client.call(listProjectEndpoints, { params: { project_id }, signal }),
    );
    await invocation.print({ data: endpoints, fields: FIELDS });
  },
});

const get = command({
  name: "get",
  summary: "Get a compute",
  args: { endpoint: { summary: "Endpoint ID; the only compute if left out" } },
  options: projectOption,
  async run(invocation, { args, options }) {
    const project_id = await chooseProject(invocation, options["project-id"]);
    const endpoint_id = args.endpoint ?? (await findOnlyEndpoint(invocation, project_id));
    const data = await getEndpoint(invocation, { project_id, endpoint_id });
    await invocation.print({
      data,
      fields: [
        ...FIELDS,
        ...["autoscaling_limit_min_cu", "autoscaling_limit_max_cu", "disabled", "settings.pg_settings"],
        ...["suspend_timeout_seconds", "last_active", "created_at"],
        ...["last_failure.at", "last_failure.reason", "last_failure.failures_count", "last_failure.retry_at"],
      ],
    });
  },
});

const create = command({
  name: "create",
  summary: "Give a branch a compute, and wait until it answers",
  options: {
    ...branchOptions,
    name: text("Name of the compute"),
    ...computeSizeOption,
    ...suspendTimeoutOption,
    set: listOption("Setting of PostgreSQL", { value: "name=value" }),
  },
  async run(invocation, { options }) {
    const settings = settingsOf(options.set);
    const { project_id, branch_id } = await chooseBranchPath(invocation, options);
    const endpoint = {
      branch_id,
      type: "read_write" as const,
      ...(options.name === undefined ? {} : { name: options.name }),
      ...(options.set.length === 0 ? {} : { settings: { pg_settings: settings } }),
      ...computeSizeOf(options.cu),
      ...suspendTimeoutOf(options["suspend-timeout"]),
    };
    const created = await invocation.changing("Creating the compute", (client) =>
      client.call(createProjectEndpoint, { params: { project_id }, body: { endpoint } }),
    );
    await invocation.print({ data: created.endpoint, fields: ["id", "name", "host", "branch_id"] });
    await invocation.settle(created.operations, "Starting Postgres");
  },
});

const update = command({
  name: "update",
  summary:
    "Rename a compute, switch it off or on, say when it rests, or change its size or settings, which restarts it",
  args: endpointArgument,
  options: {
    ...projectOption,
    name: text("The new name"),
    disable: flag("Switch it off: nobody can connect or start it until it is enabled"),
    enable: flag("Switch it on again"),
    ...computeSizeOption,
    ...suspendTimeoutOption,
    set: listOption("Setting of PostgreSQL; others stay as they are", { value: "name=value" }),
    unset: listOption("Setting of PostgreSQL that goes back to its default", { value: "name" }),
  },
  examples: [["latchkey endpoints update ep-… --set work_mem=64MB --unset jit", "Change two settings"]],
  async run(invocation, { args, options }) {
    const { name, disable, enable, set, unset } = options;
    if (disable && enable) throw new CliError("usage", "--enable and --disable exclude each other");
    const changes_settings = set.length + unset.length > 0;
    const fields = { ...computeSizeOf(options.cu), ...suspendTimeoutOf(options["suspend-timeout"]) };
    if (name === undefined && !disable && !enable && !changes_settings && Object.keys(fields).length === 0) {
      throw new CliError("usage", "there is nothing to change", "see `latchkey endpoints update --help`");
    }
    const chosen = settingsOf(set);
    const params = await chooseEndpointPath(invocation, args.endpoint, options);
    const endpoint = {
      ...(name === undefined ? {} : { name }),
      ...(disable || enable ? { disabled: disable } : {}),
      ...fields,
      // The API replaces all of them.
      ...(changes_settings
        ? { settings: { pg_settings: without({ ...(await settingsNow(invocation, params)), ...chosen }, unset) } }
        : {}),
    };
    const changed = await invocation.changing("Changing the compute", (client) =>
      client.call(updateProjectEndpoint, { params, body: { endpoint } }),
    );
    await printSettled(invocation, changed, "Applying the change");
  },
});

async function settingsNow(invocation: Invocation, params: { project_id: string; endpoint_id: string }) {
  return (await getEndpoint(invocation, params)).settings.pg_settings;
}

/** `work_mem=64MB` as an object's field. */
function settingsOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      if (at < 1) throw new CliError("usage", `--set takes name=value, not ${pair}`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

function without(settings: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !names.includes(name)));
}

const start = command({
  name: "start",
  summary: "Start a compute, and wait until it answers",
  args: endpointArgument,
  options: projectOption,
  async run(invocation, { args, options }) {
    const params = await chooseEndpointPath(invocation, args.endpoint, options);
    const changed = await invocation.changing("Starting the compute", (client) =>
      client.call(startProjectEndpoint, { params }),
    );
    await printSettled(invocation, changed, "Starting Postgres");
  },
});

const suspend = command({
  name: "suspend",
  summary: "Stop a compute until somebody connects or it is started; its connections end",
  args: endpointArgument,
  options: projectOption,
  async run(invocation, { args, options }) {
    const params = await chooseEndpointPath(invocation, args.endpoint, options);
    const changed = await invocation.changing("Suspending the compute", (client) =>
      client.call(suspendProjectEndpoint, { params }),
    );
    await printSettled(invocation, changed, "Stopping Postgres");
  },
});

const restart = command({
  name: "restart",
  summary: "Stop a compute and start it again; its connections end",
  args: endpointArgument,
  options: projectOption,
  async run(invocation, { args, options }) {
    const params = await chooseEndpointPath(invocation, args.endpoint, options);
    const changed = await invocation.changing("Restarting the compute", (client) =>
      client.call(restartProjectEndpoint, { params }),
    );
    await printSettled(invocation, changed, "Restarting Postgres");
  },
});

const remove = command({
  name: "delete",
  summary: "Delete a compute; its branch keeps the data",
  args: endpointArgument,
  options: projectOption,
  async run(invocation, { args, options }) {
    const params = await chooseEndpointPath(invocation, args.endpoint, options);
    const id = params.endpoint_id;
    await invocation.confirmByName(`Whoever connects to compute ${id} no longer can`, id);
    const { endpoint, operations } = await invocation.changing("Deleting the compute", (client) =>
      client.call(deleteProjectEndpoint, { params }),
    );
    await invocation.settle(operations, "Stopping Postgres");
    await invocation.print({ data: endpoint, fields: ["id", "name", "branch_id"] });
  },
});

export default {
  commands: [list, get, endpointLogs, create, update, start, suspend, restart, remove],
} satisfies CommandFile;
