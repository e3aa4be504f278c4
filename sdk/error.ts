import type { FetchedResponse } from "./transport.ts";

/** What a call can end with besides its answer. The CLI's exit codes and the Console's notices are made from these. */

/** The server answered, and refused or failed. Fields are those of the API's error body. */
export class ApiError extends Error {
  readonly status: number;
  /** The server's word for it, such as `NOT_FOUND`; "" where it gives none, as Neon often does. */
  readonly code: string;
  /** What to quote when reporting the error; "" when the answer did not come from the API. */
  readonly request_id: string;
  /** How long the server asks to wait before the next try; undefined when it does not say. */
  readonly retry_after_ms: number | undefined;

  constructor(fields: { status: number; code: string; message: string; request_id: string; retry_after_ms?: number }) {
    super(fields.message);
    this.name = "ApiError";
    this.status = fields.status;
    this.code = fields.code;
    this.request_id = fields.request_id;
    this.retry_after_ms = fields.retry_after_ms;
  }
}

/** No answer: refused connection, broken connection, time-out. A change may have been carried out all the same. */
export class ConnectionError extends Error {
  constructor(message: string, cause: unknown) {
    super(message, { cause });
    this.name = "ConnectionError";
  }
}

/**
 * A deletion whose answer was lost was repeated, and by then there was nothing to delete. Most likely the first request
 * has deleted it; but nobody has said so, and what the answer would have told, such as operations, is not known.
 */
export class LostAnswerError extends ConnectionError {
  constructor(cause: unknown) {
    super(
      "the answer to the deletion was lost; asked again, the server says that there is nothing there any more",
      cause,
    );
    this.name = "LostAnswerError";
  }
}

/** The credential does not belong where it would be sent, and was not sent. */
export class CredentialError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "CredentialError";
  }
}

/** An operation that was waited for ended badly, or did not end in time. */
export class OperationError extends Error {
  readonly operation_id: string;
  /** The operation's last known status; still `scheduling` or `running` when the deadline passed. */
  readonly status: string;

  constructor(message: string, operation: { readonly id: string; readonly status: string }) {
    super(message);
    this.name = "OperationError";
    this.operation_id = operation.id;
    this.status = operation.status;
  }
}

/** Turns an error answer into an `ApiError`, whoever wrote it: the API, Neon, or a proxy in between. */
export async function readError(response: FetchedResponse, retry_after_ms: number | undefined): Promise<ApiError> {
  const text = await response.text().catch(() => "");
  let body: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null) body = parsed as Record<string, unknown>;
  } catch {
    // Not ours: a proxy's page, most likely. Its text is markup, so it is not shown.
  }
  const text_of = (name: string) => (typeof body[name] === "string" ? (body[name] as string) : "");
  return new ApiError({
    status: response.status,
    code: text_of("code"),
    message: text_of("message") || `the server answered ${response.status} ${response.statusText}`.trimEnd(),
    request_id: text_of("request_id") || (response.headers.get("x-request-id") ?? ""),
    ...(retry_after_ms === undefined ? {} : { retry_after_ms }),
  });
}
