import { ApiError, ConnectionError, CredentialError, LostAnswerError, OperationError } from "@latchkey/sdk";
import { printable } from "./terminal/printable.ts";

/** Exit codes by kind, so that a script can tell what happened without reading; `cli/README.md` lists them. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  not_signed_in: 3,
  refused: 4,
  not_found: 5,
  conflict: 6,
  server: 7,
  /** As shells report a program that Ctrl-C ended. */
  interrupted: 130,
} as const;
export type ExitKind = keyof typeof EXIT;

/** An error of our own: what went wrong, and what to do next. */
export class CliError extends Error {
  readonly kind: ExitKind;
  readonly hint: string | undefined;

  constructor(kind: ExitKind, message: string, hint?: string) {
    super(message);
    this.name = "CliError";
    this.kind = kind;
    this.hint = hint;
  }
}

export interface Failure {
  readonly kind: ExitKind;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly request_id?: string | undefined;
}

const LOOK = "see with the `list` command whether it has been done, before you repeat it";

/** Every error that can reach the top, as what a person is told. */
export function describeFailure(error: unknown): Failure {
  if (error instanceof CliError) return { kind: error.kind, message: error.message, hint: error.hint };
  if (error instanceof ApiError) return describeApiError(error);
  if (error instanceof CredentialError) {
    return {
      kind: "not_signed_in",
      message: error.message,
      hint: "give the right key with NEON_API_KEY, or the right server with --host; `latchkey status` shows both",
    };
  }
  if (error instanceof LostAnswerError) return { kind: "server", message: error.message, hint: LOOK };
  if (error instanceof ConnectionError) {
    return {
      kind: "server",
      message: error.message,
      hint: "is the server running there? Name another with --host or LATCHKEY_URL",
    };
  }
  if (error instanceof OperationError) {
    return {
      kind: "server",
      message: error.message,
      hint: `operation ${error.operation_id}; see \`latchkey operations list\``,
    };
  }
  if (error instanceof Error && error.name === "AbortError") return { kind: "interrupted", message: "interrupted" };
  return { kind: "failed", message: error instanceof Error ? error.message : String(error) };
}

function describeApiError(error: ApiError): Failure {
  const { status, message, request_id } = error;
  const failure = (kind: ExitKind, hint?: string): Failure => ({ kind, message, hint, request_id });
  if (status === 401) {
    return failure("not_signed_in", "the key is unknown, revoked or expired; sign in again with `latchkey auth`");
  }
  if (status === 403) return failure("refused", "your credential does not reach this; `latchkey me` shows whose it is");
  if (status === 404) return failure("not_found", "check the id, or list what there is with the `list` command");
  if (status === 409 || status === 412 || status === 422) return failure("conflict");
  if (status === 423) return failure("conflict", "another change is under way; try again when it is done");
  if (status === 429) return failure("server", "too many requests; try again in a moment");
  if (status === 501) return failure("server", "this server does not offer it");
  if (error.code === "UNCONFIRMED") return failure("server", LOOK);
  if (status >= 500) return failure("server", "try again; when it stays, report it with the request id");
  if (status >= 400) return failure("usage");
  return failure("server");
}

/** The lines for stderr. What a server says is shown without its control characters. */
export function renderFailure({ message, hint, request_id }: Failure): string {
  const lines = [`latchkey: ${printable(message)}`];
  if (hint) lines.push(`  ${hint}`);
  if (request_id) lines.push(`  request id: ${printable(request_id)}`);
  return `${lines.join("\n")}\n`;
}
