import type { ApiErrorBody } from "@latchkey/contract/common.ts";

/**
 * The one table of errors. A rule throws `new ApiError("conflict", "what to do")`; the pipeline renders it.
 * The public message is all that a caller sees; what else is known travels in `cause`, for the log alone.
 */
const TABLE = {
  bad_request: [400, "the request is not valid"],
  unauthenticated: [401, "supplied credentials do not pass authentication"],
  forbidden: [403, "not allowed"],
  not_found: [404, "not found"],
  method_not_allowed: [405, "this path does not take that method"],
  not_acceptable: [406, "what was asked for cannot be answered in that form"],
  conflict: [409, "conflicts with what exists"],
  precondition_failed: [412, "what is asked for is not there yet"],
  too_large: [413, "the request body is larger than this server takes"],
  unsupported_media_type: [415, "send the body as application/json"],
  unprocessable: [422, "the request cannot be carried out"],
  locked: [423, "project already has running conflicting operations, scheduling of new ones is prohibited"],
  rate_limited: [429, "too many requests, slow down"],
  internal: [500, "internal error; quote the request_id when you report it"],
  // Not 503: that says that nothing was done, and clients then ask again.
  unconfirmed: [
    500,
    "the change may have been made: the database was lost before it said so; look before you repeat it",
  ],
  not_offered: [501, "not available in Latchkey"],
  unavailable: [503, "the service is not available right now, try again"],
  overloaded: [503, "too many requests are waiting for the database, try again"],
} as const satisfies Record<string, readonly [number, string]>;

export type ErrorCode = keyof typeof TABLE;

interface ErrorOptions {
  readonly cause?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly fields?: Readonly<Record<string, string>>;
}

export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly headers: Readonly<Record<string, string>>;
  /** What Neon's document has in the body beyond the usual. */
  readonly fields: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, message?: string, options: ErrorOptions = {}) {
    // Tracing the stack costs more than all the rest of a refusal, and what a request did wrong is told by the
    // message: a flood of them must stay cheap. Where we have failed ourselves the trace is wanted.
    const { stackTraceLimit } = Error;
    if (TABLE[code][0] < 500 || code === "overloaded") Error.stackTraceLimit = 0;
    super(message ?? TABLE[code][1], { cause: options.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.name = "ApiError";
    this.code = code;
    this.headers = options.headers ?? {};
    this.fields = options.fields ?? {};
  }

  get status(): number {
    return TABLE[this.code][0];
  }
}

/** The wire form, which is Neon's `GeneralError`: its clients print `message` and nothing else. */
export function errorBody(error: ApiError, request_id: string): ApiErrorBody {
  return { request_id, code: error.code.toUpperCase(), message: error.message, ...error.fields };
}

/** For a broken assumption of our own: a 500 whose detail stays in the log. */
export function unreachable(what: string): never {
  throw new Error(`unreachable: ${what}`);
}
