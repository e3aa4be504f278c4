import { ApiError, ConnectionError, LostAnswerError } from "@latchkey/sdk";

/** What an error means to the person in front of the page. */
export interface Explained {
  readonly title: string;
  readonly detail: string;
  /** To quote when reporting it; "" when the server never saw the request. */
  readonly request_id: string;
}

/** The server no longer takes the session cookie. */
export function isSignedOut(error: unknown): boolean {
  return error instanceof ApiError && error.status === 401;
}

export function hasStatus(error: unknown, status: number): error is ApiError {
  return error instanceof ApiError && error.status === status;
}

/** It does not exist, or is not for this person, or not any more: asking again changes nothing. */
export function isFinal(error: unknown): boolean {
  return hasStatus(error, 403) || hasStatus(error, 404);
}

/** There is nothing there to delete: somebody else was quicker, or the answer to the first try was lost on the way. */
export function isGone(error: unknown): boolean {
  return hasStatus(error, 404) || error instanceof LostAnswerError;
}

/** What was asked may have been done all the same: nobody, or a gateway alone, answered, or the server does not know. */
export function isAnswerLost(error: unknown): boolean {
  return error instanceof ConnectionError || hasStatus(error, 502) || hasStatus(error, 504) || isUnconfirmed(error);
}

function isUnconfirmed(error: unknown): boolean {
  return error instanceof ApiError && error.code === "UNCONFIRMED";
}

export function explain(error: unknown): Explained {
  if (error instanceof ApiError) {
    const { request_id, message } = error;
    if (error.status === 403) return { title: "Not allowed", detail: sentence(message), request_id };
    if (error.status === 404) {
      return {
        title: "Not found",
        detail: "It does not exist, or you are not a member of the organization it belongs to.",
        request_id,
      };
    }
    if (error.status === 423) {
      return {
        title: "The server is still working here",
        detail: "An operation that was begun before is running. Wait until it has finished, then try again.",
        request_id,
      };
    }
    if (error.status === 429) {
      return { title: "Too many requests", detail: "Wait a minute, then try again.", request_id };
    }
    if (isUnconfirmed(error)) return { title: "The change may have been made", detail: sentence(message), request_id };
    if (error.status >= 500) {
      return {
        title: error.status === 503 ? "The server cannot answer right now" : "The server failed",
        detail: "Try again. If it goes on, report it with the request id below.",
        request_id,
      };
    }
    return { title: "The request was refused", detail: sentence(message), request_id };
  }
  if (error instanceof LostAnswerError) {
    return { title: "It is gone", detail: sentence(error.message), request_id: "" };
  }
  if (error instanceof ConnectionError) {
    return {
      title: "No connection to the server",
      detail: "Check that Latchkey is running and that this machine can reach it, then try again.",
      request_id: "",
    };
  }
  return {
    title: "The Console failed",
    detail: `Reload the page. ${error instanceof Error ? sentence(error.message) : ""}`.trim(),
    request_id: "",
  };
}

/** The API's messages begin small and end without a stop, as parts of a log line do. */
export function sentence(text: string): string {
  if (text === "") return "";
  // An address or the name of a field is spelled as it is.
  const is_word = /^\p{L}+(?=[\s,;:.!?]|$)/u.test(text);
  const start = is_word ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?…]$/.test(start) ? start : `${start}.`;
}
