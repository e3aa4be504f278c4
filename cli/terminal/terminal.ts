import { CliError } from "../exit.ts";

/** What is known of who reads and who answers. Everything that is not the result itself goes to stderr. */
export interface Terminal {
  /** Whether results are read by a person. */
  readonly shows_results: boolean;
  /** Whether notes are read by a person. */
  readonly shows_notes: boolean;
  /** Whether there is somebody to ask. */
  readonly has_person: boolean;
  readonly colors: { readonly stdout: boolean; readonly stderr: boolean };
}

export function readTerminal(environment: NodeJS.ProcessEnv, color: boolean): Terminal {
  const stdout = process.stdout.isTTY === true;
  const stderr = process.stderr.isTTY === true;
  // NO_COLOR (no-color.org): present and not empty, whatever the value.
  const colored = color && !environment.NO_COLOR && environment.TERM !== "dumb";
  return {
    shows_results: stdout,
    shows_notes: stderr,
    // The machine of a continuous integration often has a terminal, and nobody in front of it.
    has_person: process.stdin.isTTY === true && stderr && !environment.CI,
    colors: { stdout: stdout && colored, stderr: stderr && colored },
  };
}

/** A note for the person, on stderr, one line. */
export function note(message: string): void {
  process.stderr.write(`${message}\n`);
}

const SPINNER_AFTER_MS = 500;
const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/** Shows that something goes on, once it takes more than half a second; on stderr and on terminals only. */
export async function withSpinner<T>(
  terminal: Terminal,
  label: string,
  work: (relabel: (label: string) => void) => Promise<T>,
): Promise<T> {
  if (!terminal.shows_notes || process.env.TERM === "dumb") return await work(() => {});
  let shown = label;
  let frame = 0;
  let timer: NodeJS.Timeout | undefined;
  const draw = () => {
    process.stderr.write(`\r\u001b[K${FRAMES[frame++ % FRAMES.length]} ${shown}`);
  };
  const delay = setTimeout(() => {
    draw();
    timer = setInterval(draw, 80);
  }, SPINNER_AFTER_MS);
  try {
    return await work((next) => {
      shown = next;
    });
  } finally {
    clearTimeout(delay);
    if (timer) {
      clearInterval(timer);
      process.stderr.write("\r\u001b[K");
    }
  }
}

/** Reads standard input to its end: a secret or a body that is piped in. */
export async function readStdin(what: string): Promise<string> {
  if (process.stdin.isTTY) throw new CliError("usage", `${what} is expected on standard input`, "pipe it in");
  let read = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) read += chunk;
  return read;
}
