import { type CommandFile, command, text } from "../command.ts";
import { connectionArguments, connectionOf, connectionOptions } from "../connection.ts";
import { runPsql } from "../run-psql.ts";

const self = command({
  name: "psql",
  summary: "Connect to a database with psql",
  args: { ...connectionArguments, "psql-args": { summary: "Arguments of psql, after --", rest: true } },
  options: {
    ...connectionOptions,
    "endpoint-type": text("Type of the compute", { choices: ["read_write"], hidden: true }),
  },
  examples: [
    ["latchkey psql", "Connect to the default branch"],
    ['latchkey psql main -- -c "SELECT 1"', "Run one query on the branch main"],
  ],
  async run(invocation, { args, options }) {
    // `psql -- -c …` names no branch; the parser takes what follows for one.
    const [branch, rest] = args.branch?.startsWith("-")
      ? [undefined, [args.branch, ...args["psql-args"]]]
      : [args.branch, args["psql-args"]];
    const { uri } = await connectionOf(invocation, branch, options);
    await runPsql(uri, rest);
  },
});

export default { self } satisfies CommandFile;
