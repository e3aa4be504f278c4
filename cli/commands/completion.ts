import { type CommandFile, command } from "../command.ts";
import { SCRIPTS, SHELLS, shellOf } from "../completion/scripts.ts";
import { CliError } from "../exit.ts";

const self = command({
  name: "completion",
  summary: "Print a completion script for your shell",
  args: { shell: { summary: "bash, zsh or fish; default: yours", choices: SHELLS } },
  examples: [
    ["latchkey completion bash >> ~/.bashrc", "bash"],
    ["latchkey completion zsh >> ~/.zshrc", "zsh, after compinit"],
    ["latchkey completion fish > ~/.config/fish/completions/latchkey.fish", "fish"],
  ],
  async run(invocation, { args }) {
    const shell = shellOf(args.shell ?? invocation.environment.SHELL?.split("/").pop() ?? "");
    if (shell === undefined) throw new CliError("usage", "which shell?", `one of ${SHELLS.join(", ")}`);
    await invocation.write(SCRIPTS[shell]);
  },
});

export default { self } satisfies CommandFile;
