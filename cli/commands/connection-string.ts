import { type CommandFile, command, flag, text } from "../command.ts";
import { connectionArguments, connectionOf, connectionOptions } from "../connection.ts";
import { runPsql } from "../run-psql.ts";

const self = command({
  name: "connection-string",
  summary: "Get a connection string",
  args: connectionArguments,
  options: {
    ...connectionOptions,
    extended: flag("Show its parts as well"),
    psql: flag("Connect with psql instead of printing it"),
    "endpoint-type": text("Type of the compute", { choices: ["read_write"], hidden: true }),
  },
  examples: [
    ["latchkey cs", "Of the default branch"],
    ['psql "$(latchkey cs main --role-name app)"', "Of the branch main, for the role app"],
  ],
  async run(invocation, { args, options }) {
    const { uri, ...of } = await connectionOf(invocation, args.branch, options);
    if (options.psql) return await runPsql(uri, []);
    if (options.extended) {
      const { hostname, port, username, password, pathname } = new URL(uri);
      const parts = {
        host: hostname,
        port,
        role: decodeURIComponent(username),
        password: decodeURIComponent(password),
      };
      const data = { connection_string: uri, ...parts, database: decodeURIComponent(pathname.slice(1)) };
      return await invocation.print({ data, fields: Object.keys(data) });
    }
    // Alone on stdout in a pipe too: it is put between quotes more often than it is parsed.
    const { output } = invocation.global;
    if (output === "json" || output === "yaml") {
      await invocation.print({ data: { connection_string: uri, ...of }, fields: [] });
    } else await invocation.write(`${uri}\n`);
  },
});

export default { self } satisfies CommandFile;
