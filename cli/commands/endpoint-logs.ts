import { setTimeout as sleep } from "node:timers/promises";
import { type LogRecord, listProjectEndpointLogs } from "@latchkey/contract/endpoint-logs.ts";
import { chooseProject, findOnlyEndpoint } from "../choose-resource.ts";
import { command, flag, projectOption, text } from "../command.ts";
import { CliError } from "../exit.ts";
import { printable } from "../terminal/printable.ts";

const DEFAULT_LIMIT = 100;
const LONGEST_PAGE = 1000;
const FOLLOW_EVERY_MS = 1_000;

/** `endpoints logs`: lines for people and for `grep` alike, unless JSON or YAML is asked for. */
export const endpointLogs = command({
  name: "logs",
  summary: "Print what a compute has logged lately, newest last",
  args: { endpoint: { summary: "Endpoint ID; the only compute if left out" } },
  options: {
    ...projectOption,
    limit: text(`How many records at most; default ${DEFAULT_LIMIT}`),
    since: text("The first ones from this time on, such as 2026-11-28T20:00:00Z"),
    follow: flag("Go on printing what is logged, until Ctrl-C; as JSON one record on each line"),
  },
  examples: [["latchkey endpoints logs --follow", "Watch a compute"]],
  async run(invocation, { args, options }) {
    const limit = Number(options.limit ?? DEFAULT_LIMIT);
    if (!Number.isInteger(limit) || limit < 1 || limit > LONGEST_PAGE) {
      throw new CliError("usage", `--limit takes a whole number from 1 to ${LONGEST_PAGE}`);
    }
    if (options.since !== undefined && Number.isNaN(Date.parse(options.since))) {
      throw new CliError("usage", "--since takes a time such as 2026-11-28T20:00:00Z");
    }
    const { output } = invocation.global;
    const as_data = output === "json" || output === "yaml";
    if (options.follow && output === "yaml") throw new CliError("usage", "--follow prints no YAML");
    const project_id = await chooseProject(invocation, options["project-id"]);
    const endpoint_id = args.endpoint ?? (await findOnlyEndpoint(invocation, project_id));
    const params = { project_id, endpoint_id };
    const since = options.since === undefined ? {} : { since: new Date(options.since).toISOString() };
    const first = await invocation.working("Reading the log", (client) =>
      client.call(listProjectEndpointLogs, { params, query: { limit, ...since }, signal: invocation.signal }),
    );
    if (as_data && !options.follow) return await invocation.print({ data: first.logs, fields: [] });
    const show = (logs: readonly LogRecord[]) =>
      invocation.write(logs.map((record) => `${as_data ? JSON.stringify(record) : lineOf(record)}\n`).join(""));
    await show(first.logs);
    if (!options.follow) return;
    const { signal } = invocation;
    const client = await invocation.client();
    for (let query = { limit: LONGEST_PAGE, ...since, ...first.pagination }; ; ) {
      const { logs, pagination } = await client.call(listProjectEndpointLogs, { params, query, signal });
      await show(logs);
      query = { ...query, ...pagination };
      if (logs.length === 0) await sleep(FOLLOW_EVERY_MS, undefined, { signal });
    }
  },
});

/** As PostgreSQL writes it; further lines of a message are set in. */
function lineOf({ timestamp, severity_text, message }: LogRecord): string {
  return `${timestamp} ${severity_text}:  ${printable(message).replaceAll("\n", "\n\t")}`;
}
