import { Argument, CommanderError, Option, Command as Parser } from "commander";
import type { Command, OptionSpec, Topic } from "./command.ts";
import { Invocation } from "./invocation.ts";
import { GLOBAL_OPTIONS, type GlobalOptions, TOPICS } from "./topics.ts";
import { VERSION } from "./version.ts";

/** Makes a parser of the declared commands. This file is the only one that knows the parser's library. */
export { CommanderError as ParseError };

/** The parser for these words: complete for the topic that they name, names alone for the others. */
export async function createParser(words: readonly string[], signal: AbortSignal): Promise<Parser> {
  const root = configure(new Parser("latchkey"))
    .usage("<command> [options]")
    .description("The command line of Latchkey, a self-hosted control plane for Postgres that speaks Neon's API")
    .version(VERSION, "-v, --version", "Show the version");
  for (const [name, spec] of Object.entries(GLOBAL_OPTIONS)) root.addOption(optionOf(name, spec));

  const named = findTopic(words);
  for (const topic of TOPICS) {
    if (topic === named) await addTopic(root, topic, signal);
    else
      root.addCommand(
        configure(new Parser(topic.name))
          .description(topic.summary)
          .aliases(topic.aliases ?? []),
      );
  }
  return root.helpCommand("help [command]", "Show the help of a command").addHelpText("after", EXIT_CODES);
}

/** The topic that a command line names: its first word that is neither an option nor an option's value. */
export function findTopic(words: readonly string[]): Topic | undefined {
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (word === "--") return undefined;
    if (word === "help") continue;
    if (!word.startsWith("-")) return TOPICS.find(({ name, aliases }) => name === word || aliases?.includes(word));
    if (takesNextWord(word)) index++;
  }
  return undefined;
}

function takesNextWord(word: string): boolean {
  return Object.entries<OptionSpec>(GLOBAL_OPTIONS).some(
    ([name, { kind, short }]) => kind !== "flag" && (word === `--${name}` || word === `-${short}`),
  );
}

async function addTopic(root: Parser, topic: Topic, signal: AbortSignal): Promise<void> {
  const { default: file } = await topic.load();
  const parser = file.self
    ? parserOf(file.self, signal)
    : configure(new Parser(topic.name)).description(topic.summary).usage("<command> [options]");
  for (const command of file.commands ?? []) parser.addCommand(parserOf(command, signal), { hidden: command.hidden });
  root.addCommand(parser.aliases(topic.aliases ?? []).addHelpText("after", "\nGlobal options: see latchkey --help"));
}

function parserOf(command: Command, signal: AbortSignal): Parser {
  const parser = configure(new Parser(command.name)).description(command.summary).aliases(command.aliases);
  for (const [name, { summary, required, rest }] of Object.entries(command.args)) {
    const form = `${name}${rest ? "..." : ""}`;
    parser.addArgument(new Argument(required ? `<${form}>` : `[${form}]`, summary));
  }
  for (const [name, spec] of Object.entries(command.options)) parser.addOption(optionOf(name, spec));
  if (command.examples.length > 0) {
    const lines = command.examples.map(([line, does]) => `  ${line}\n      ${does}`);
    parser.addHelpText("after", `\nExamples:\n${lines.join("\n")}`);
  }
  const names = Object.keys(command.args);
  return parser.action(async (...given: unknown[]) => {
    const args = Object.fromEntries(names.map((name, index) => [name, given[index]]));
    const run = command.run as (invocation: Invocation, input: object) => Promise<void>;
    const global = valuesOf(parser.parent ? rootOf(parser) : parser, GLOBAL_OPTIONS) as unknown as GlobalOptions;
    await run(new Invocation(global, process.env, signal), { args, options: valuesOf(parser, command.options) });
  });
}

function configure(parser: Parser): Parser {
  return parser
    .exitOverride()
    .helpOption("-h, --help", "Show help")
    .helpCommand(false)
    .showSuggestionAfterError(true)
    .configureHelp({
      sortSubcommands: false,
      subcommandTerm: (command) => [command.name(), ...command.aliases()].join(", "),
    })
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "latchkey: ")) });
}

function optionOf(name: string, spec: OptionSpec): Option {
  const short = spec.short === undefined ? "" : `-${spec.short}, `;
  const value = spec.value ?? name.split("-").pop();
  const flags =
    spec.kind === "flag"
      ? `${short}--${spec.on ? "no-" : ""}${name}`
      : `${short}--${name} <${value}${spec.kind === "list" ? "" : ""}>`;
  const option = new Option(flags, spec.summary)
    .makeOptionMandatory(spec.required === true)
    .hideHelp(spec.hidden === true);
  if (spec.choices) option.choices(spec.choices);
  if (spec.kind === "list") {
    option.argParser((word: string, before: string[] | undefined) => [...(before ?? []), word]);
  }
  return option;
}

/** The values under the names that the options were declared with. */
function valuesOf(parser: Parser, specs: Readonly<Record<string, OptionSpec>>): Record<string, unknown> {
  const parsed = parser.opts<Record<string, unknown>>();
  return Object.fromEntries(
    Object.entries(specs).map(([name, spec]) => {
      const value = parsed[name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())];
      const absent = spec.kind === "flag" ? spec.on === true : spec.kind === "list" ? [] : undefined;
      return [name, value ?? absent];
    }),
  );
}

function rootOf(parser: Parser): Parser {
  return parser.parent ? rootOf(parser.parent) : parser;
}

const EXIT_CODES = `
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not signed in, 4 refused, 5 not found, 6 conflict,
            7 server or connection failed, 130 interrupted`;
