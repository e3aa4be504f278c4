import { getInstance } from "@latchkey/contract/users.ts";
import { type CommandFile, command, flag } from "../command.ts";
import { CliError, describeFailure, EXIT } from "../exit.ts";
import { withSpinner } from "../terminal/terminal.ts";
import { whoIs } from "./me.ts";

const self = command({
  name: "status",
  summary: "Show where commands go, as whom, and what is linked here",
  options: { "current-branch": flag("Print the linked branch only, without asking the server") },
  async run(invocation, { options }) {
    const context = await invocation.context();
    if (options["current-branch"]) {
      if (context.branch === undefined)
        throw new CliError("failed", "no branch is linked here", "link one with `latchkey link`");
      return await invocation.write(`${context.branch}\n`);
    }
    const { signal } = invocation;
    const target = await invocation.target();
    const data: Record<string, unknown> = { host: target.host, credential: target.source };
    await withSpinner(invocation.terminal, "Asking the server", async () => {
      const instance = await invocation
        .clientOf(target.host, undefined)
        .call(getInstance, { signal })
        .catch(describeFailure);
      if ("version" in instance) data.server_version = instance.version;
      else data.server_problem = instance.message;
      if (target.api_key === undefined || !("version" in instance)) return;
      const who = await whoIs(invocation.clientOf(target.host, target.api_key), signal).catch(describeFailure);
      if ("message" in who) data.credential_problem = who.message;
      else data.account = who.person?.email ?? who.key?.account_id;
    });
    Object.assign(data, { context_file: invocation.context_file, ...context });
    await invocation.print({ data, fields: Object.keys(data) });
    // For scripts that ask "can I go on?".
    if (data.server_problem !== undefined) process.exitCode = EXIT.server;
    else if (data.account === undefined) process.exitCode = EXIT.not_signed_in;
  },
});

export default { self } satisfies CommandFile;
