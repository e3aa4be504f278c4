import type { Invocation } from "./invocation.ts";

/**
 * How a command is declared. The declarations are the one table that parsing, help, shell completion and the
 * golden help texts are made from; the parser's library is known to `parser.ts` alone.
 */
export interface OptionSpec {
  readonly kind: "text" | "flag" | "list";
  readonly summary: string;
  /** One letter, without its hyphen. */
  readonly short?: string;
  readonly choices?: readonly string[];
  /** True by default: the option that is shown is `--no-name`. */
  readonly on?: boolean;
  readonly required?: boolean;
  /** What stands for the value in help; default: the option's last word. */
  readonly value?: string;
  /** Accepted and not shown: for fingers that come from Neon's CLI. */
  readonly hidden?: boolean;
}

export interface ArgumentSpec {
  readonly summary: string;
  readonly required?: boolean;
  /** What completion offers; not checked. */
  readonly choices?: readonly string[];
  /** Takes all that follows, also after `--`. */
  readonly rest?: boolean;
}

type ValueOf<O extends OptionSpec> = O["kind"] extends "flag"
  ? boolean
  : O["kind"] extends "list"
    ? string[]
    : O["choices"] extends readonly (infer Choice)[]
      ? Choice | (O["required"] extends true ? never : undefined)
      : string | (O["required"] extends true ? never : undefined);

type OptionsOf<O extends Record<string, OptionSpec>> = { readonly [Name in keyof O]: ValueOf<O[Name]> };
type ArgumentsOf<A extends Record<string, ArgumentSpec>> = {
  readonly [Name in keyof A]: A[Name]["rest"] extends true
    ? string[]
    : string | (A[Name]["required"] extends true ? never : undefined);
};

export interface Input<A extends Record<string, ArgumentSpec>, O extends Record<string, OptionSpec>> {
  readonly args: ArgumentsOf<A>;
  readonly options: OptionsOf<O>;
}

interface Declaration<A extends Record<string, ArgumentSpec>, O extends Record<string, OptionSpec>> {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly args?: A;
  readonly options?: O;
  /** Shown below the help, each with what it does. */
  readonly examples?: readonly (readonly [line: string, does: string])[];
  readonly hidden?: boolean;
  readonly run: (invocation: Invocation, input: Input<A, O>) => Promise<void>;
}

/** A command with its types forgotten, as the parser and completion handle all of them alike. */
export interface Command {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly summary: string;
  readonly args: Readonly<Record<string, ArgumentSpec>>;
  readonly options: Readonly<Record<string, OptionSpec>>;
  readonly examples: readonly (readonly [line: string, does: string])[];
  readonly hidden: boolean;
  readonly run: (invocation: Invocation, input: { args: never; options: never }) => Promise<void>;
}

/** Declares a command. */
export function command<
  const A extends Record<string, ArgumentSpec> = Record<never, never>,
  const O extends Record<string, OptionSpec> = Record<never, never>,
>(declaration: Declaration<A, O>): Command {
  return { args: {}, options: {}, aliases: [], examples: [], hidden: false, ...declaration } as unknown as Command;
}

/** What one file of `commands/` offers: a command by itself, commands below a common name, or both. */
export interface CommandFile {
  readonly self?: Command;
  readonly commands?: readonly Command[];
}

/** A word after `latchkey`; its file is loaded when it is called, so that no command pays for the others. */
export interface Topic {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly load: () => Promise<{ readonly default: CommandFile }>;
}

export const text = <const E extends Partial<OptionSpec>>(summary: string, extra: E = {} as E) =>
  ({ kind: "text", summary, ...extra }) as const;
export const flag = <const E extends Partial<OptionSpec>>(summary: string, extra: E = {} as E) =>
  ({ kind: "flag", summary, ...extra }) as const;
export const list = <const E extends Partial<OptionSpec>>(summary: string, extra: E = {} as E) =>
  ({ kind: "list", summary, ...extra }) as const;

export const projectOption = { "project-id": text("Project ID") } as const;
export const branchOptions = {
  ...projectOption,
  branch: text("Branch ID or name; the default branch if left out"),
} as const;
