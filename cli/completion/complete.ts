import type { ArgumentSpec, Command, OptionSpec } from "../command.ts";
import { findTopic } from "../parser.ts";
import { printable } from "../terminal/printable.ts";
import { GLOBAL_OPTIONS, TOPICS } from "../topics.ts";
import { findValues } from "./values.ts";

/** What could stand under the cursor. Never fails: a completion that prints an error ruins the line. */
type Candidate = readonly [word: string, what: string];
type Options = Readonly<Record<string, OptionSpec>>;

/** Lines for the shell. `given` is the index of the word under the cursor, then all words. */
export async function complete(given: readonly string[]): Promise<string> {
  const [index, ...line] = given;
  // The program itself is not looked at, and bash makes `--output=json` three words.
  const before = line.slice(1, Number(index)).filter((word) => word !== "=");
  const under = line[Number(index)] ?? "";
  const current = under === "=" ? "" : under;
  const candidates = await candidatesFor(before, current).catch(() => []);
  return (
    candidates
      // A name that would be another one when shown, or more than one line, cannot be typed either.
      .filter(([word]) => word.startsWith(current) && onOneLine(word) === word)
      .map(([word, what]) => `${word}\t${onOneLine(what)}\n`)
      .join("")
  );
}

function onOneLine(text: string): string {
  return printable(text).replaceAll(/[\t\n]/g, " ");
}

async function candidatesFor(before: readonly string[], current: string): Promise<readonly Candidate[]> {
  if (before.includes("--")) return [];
  const topic = findTopic(before);
  if (!topic) {
    const waiting = waitingOption(before, GLOBAL_OPTIONS);
    if (waiting) return await valuesOf(waiting, before);
    return current.startsWith("-") ? optionNames(GLOBAL_OPTIONS) : TOPICS.map(({ name, summary }) => [name, summary]);
  }
  const { default: file } = await topic.load();
  const operands = operandsOf(before, everyOption(file.commands ?? [], file.self));
  const sub = file.commands?.find(({ name, aliases }) => name === operands[1] || aliases.includes(operands[1] ?? ""));
  const command = sub ?? file.self;
  const options: Options = { ...command?.options, ...GLOBAL_OPTIONS };
  const waiting = waitingOption(before, options);
  if (waiting) return await valuesOf(waiting, before);
  if (current.startsWith("-")) return optionNames(options);
  if (!sub && file.commands && operands.length === 1) return file.commands.map(({ name, summary }) => [name, summary]);
  const position = operands.length - (sub ? 2 : 1);
  const [name, argument] = Object.entries(command?.args ?? {})[position] ?? [];
  return name && argument ? await argumentValues(topic.name, name, argument, before) : [];
}

function optionNames(options: Options): Candidate[] {
  return Object.entries(options)
    .filter(([, { hidden }]) => !hidden)
    .map(([name, { kind, on, summary }]) => [kind === "flag" && on ? `--no-${name}` : `--${name}`, summary]);
}

/** The option whose value is to come: the last word, when it names one that takes a value. */
function waitingOption(before: readonly string[], options: Options): [string, OptionSpec] | undefined {
  const last = before.at(-1);
  return Object.entries(options).find(([name, spec]) => spec.kind !== "flag" && isNamed(last, name, spec));
}

function isNamed(word: string | undefined, name: string, { short }: OptionSpec): boolean {
  return word === `--${name}` || (short !== undefined && word === `-${short}`);
}

function everyOption(commands: readonly Command[], self: Command | undefined): Options {
  return Object.assign({}, ...commands.map(({ options }) => options), self?.options, GLOBAL_OPTIONS);
}

/** The words that are neither options nor their values. */
function operandsOf(before: readonly string[], options: Options): string[] {
  const operands: string[] = [];
  for (let index = 0; index < before.length; index++) {
    const word = before[index] ?? "";
    if (!word.startsWith("-")) operands.push(word);
    else if (waitingOption([word], options)) index++;
  }
  return operands;
}

async function valuesOf(
  [name, { choices }]: [string, OptionSpec],
  before: readonly string[],
): Promise<readonly Candidate[]> {
  if (choices) return choices.map((choice) => [choice, ""]);
  return await findValues(name, before);
}

async function argumentValues(
  topic: string,
  name: string,
  { choices }: ArgumentSpec,
  before: readonly string[],
): Promise<readonly Candidate[]> {
  if (choices) return choices.map((choice) => [choice, ""]);
  const kind =
    topic === "projects" && name === "id" ? "project-id" : topic === "profile" && name === "name" ? "profile" : name;
  return await findValues(kind, before);
}
