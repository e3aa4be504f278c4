import { createInterface, type Interface } from "node:readline";
import { Writable } from "node:stream";
import { CliError } from "../exit.ts";
import { printable } from "./printable.ts";

/**
 * Questions to the person, on stderr: stdout belongs to the result. Numbered lists rather than arrow keys, so
 * that screen readers, dumb terminals and typed-ahead answers work. Ctrl-C and Ctrl-D end the command.
 */
const interrupted = () => new CliError("interrupted", "nothing was done");

function answerOf(readline: Interface, question: string): Promise<string> {
  return new Promise((resolve, reject) => {
    readline.once("SIGINT", () => {
      process.stderr.write("\n");
      reject(interrupted());
    });
    readline.once("close", () => reject(interrupted()));
    readline.question(question, resolve);
  });
}

async function withReadline<T>(output: Writable, work: (readline: Interface) => Promise<T>): Promise<T> {
  const readline = createInterface({ input: process.stdin, output, terminal: true, historySize: 0 });
  try {
    return await work(readline);
  } finally {
    readline.close();
  }
}

export async function ask(question: string): Promise<string> {
  return await withReadline(process.stderr, async (readline) => (await answerOf(readline, `${question} `)).trim());
}

/** Asks for something that must not be seen; what is typed is not echoed. */
export async function askSecret(question: string): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  try {
    return await withReadline(silent, async (readline) => {
      // Only now: the terminal echoes no longer, so that not even an answer typed at once is seen.
      process.stderr.write(`${question} `);
      return (await answerOf(readline, "")).trim();
    });
  } finally {
    process.stderr.write("\n");
  }
}

/** A question whose answer is no unless it begins with y. */
export async function confirm(question: string): Promise<boolean> {
  return /^y(es)?$/i.test(await ask(`${question} [y/N]`));
}

/** Lets the person choose by number, or by a part of the name that fits one only. */
export async function pick<T>(title: string, choices: readonly T[], nameOf: (choice: T) => string): Promise<T> {
  const names = choices.map((choice) => printable(nameOf(choice)));
  process.stderr.write(`${title}\n`);
  for (const [index, name] of names.entries()) process.stderr.write(`  ${index + 1}) ${name}\n`);
  return await withReadline(process.stderr, async (readline) => {
    for (;;) {
      const answer = (await answerOf(readline, "Number or name: ")).trim();
      const chosen = findChoice(names, answer);
      if (chosen !== undefined) return choices[chosen] as T;
      process.stderr.write(`Type a number from 1 to ${names.length}, or a part of one name.\n`);
    }
  });
}

/** The index of what an answer means; undefined when it means none or several. */
export function findChoice(names: readonly string[], answer: string): number | undefined {
  if (answer === "") return undefined;
  if (/^\d+$/.test(answer) && Number(answer) >= 1 && Number(answer) <= names.length) return Number(answer) - 1;
  const exact = names.indexOf(answer);
  if (exact >= 0) return exact;
  const fitting = names.flatMap((name, index) => (name.toLowerCase().includes(answer.toLowerCase()) ? [index] : []));
  return fitting.length === 1 ? fitting[0] : undefined;
}
