import { checkCredential, isBrowser } from "./credential.ts";
import { ApiError, ConnectionError, CredentialError, LostAnswerError, readError } from "./error.ts";
import {
  isAnswerLost,
  isRetryableAfterDisconnect,
  isRetryableStatus,
  parseRetryAfter,
  retryDelay,
  sleep,
} from "./retry.ts";
import { VERSION } from "./version.ts";

const API_PREFIX = "/api/v2";
const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_RETRIES = 3;

export interface ClientOptions {
  /** Where the server is: its origin, `http://127.0.0.1:4400`, or the API's own URL with `/api/v2`. */
  readonly base_url: string;
  /**
   * The secret, or where to get it: asked before every request, so that it can be refreshed. Absent: the
   * browser's session cookie speaks. Refused in a browser, where every visitor could read it.
   */
  readonly api_key?: string | (() => string | Promise<string>);
  /** What to send requests with; the platform's `fetch` fits. */
  readonly fetch?: Fetch;
  /** Whether the browser sends cookies; without effect when there is an `api_key`. Default `same-origin`. */
  readonly credentials?: "omit" | "same-origin" | "include";
  /** How often one request is repeated at most; 0 for never. Default 3. */
  readonly retries?: number;
  /** For one attempt, not for all together. Default one minute. */
  readonly timeout_ms?: number;
  /** Named to the server in front of the SDK's own name; `last_used_user_agent` of the key shows it. */
  readonly user_agent?: string;
  /** Told before a request is repeated: a terminal may want to say why it waits. */
  readonly onRetry?: (about: { readonly attempt: number; readonly delay_ms: number; readonly error: Error }) => void;
}

/** One request as it goes over the wire; `path` is below `/api/v2`, already with its parameters. */
export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, unknown>> | undefined;
  /** Sent as JSON; undefined: no body. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** As much of `fetch` as is used here. Redirects must not be followed. */
export type Fetch = (url: URL, init: FetchInit) => Promise<FetchedResponse>;

export interface FetchInit {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly redirect: "manual";
  readonly signal: AbortSignal;
  readonly body?: string;
  readonly credentials?: "omit" | "same-origin" | "include";
}

interface AnswerHeaders extends Iterable<[string, string]> {
  get(name: string): string | null;
}

export interface FetchedResponse {
  readonly status: number;
  readonly ok: boolean;
  readonly type: string;
  readonly statusText: string;
  readonly headers: AnswerHeaders;
  text(): Promise<string>;
}

/** An answer of 2xx, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly text: string;
}

/** Sends requests to one server with one credential. Answers other than 2xx are thrown. */
export class Transport {
  /** The API's own URL, without a trailing slash. */
  readonly base_url: string;
  readonly #options: ClientOptions;
  readonly #fetch: Fetch;

  constructor(options: ClientOptions) {
    if (options.api_key !== undefined && isBrowser()) {
      throw new CredentialError(
        "a secret key was given in a browser, where every visitor can read it; " +
          "call Latchkey from your server, or leave the key out to use the signed-in person's session",
      );
    }
    const url = apiUrl(options.base_url);
    this.base_url = url.href;
    this.#options = options;
    // Browsers refuse a `fetch` that is called on anything but the global object.
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    if (typeof options.api_key === "string") checkCredential(options.api_key, url);
  }

  async send(request: RawRequest): Promise<Answer> {
    const url = this.#url(request);
    const retries = this.#options.retries ?? DEFAULT_RETRIES;
    let lost: Error | undefined;
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#attempt(url, request);
      if (!(outcome instanceof Error)) return outcome;
      const error = outcome;
      const is_gone = error instanceof ApiError && error.status === 404 && request.method === "DELETE";
      // "Not found" would say that there never was such a thing.
      if (is_gone && lost) throw new LostAnswerError(lost);
      if (error instanceof ConnectionError || isAnswerLost(error.status)) lost ??= error;
      const retryable =
        error instanceof ApiError
          ? isRetryableStatus(request.method, error.status)
          : error instanceof ConnectionError && isRetryableAfterDisconnect(request.method);
      if (!retryable || attempt > retries) throw error;
      const delay_ms = retryDelay(attempt, error instanceof ApiError ? error.retry_after_ms : undefined);
      if (delay_ms === undefined) throw error;
      this.#options.onRetry?.({ attempt, delay_ms, error });
      await sleep(delay_ms, request.signal);
    }
  }

  /** An answer of 2xx, or the error to throw or to try again after. Throws only what must not be repeated. */
  async #attempt(url: URL, request: RawRequest): Promise<Answer | ApiError | ConnectionError> {
    request.signal?.throwIfAborted();
    const init = await this.#init(url, request);
    // To get the key may take a while, and an abort that is over is told to no listener.
    request.signal?.throwIfAborted();
    const timeout_ms = this.#options.timeout_ms ?? DEFAULT_TIMEOUT_MS;
    const limit = new AbortController();
    const abort = () => limit.abort(request.signal?.reason);
    request.signal?.addEventListener("abort", abort, { once: true });
    const timer = setTimeout(() => limit.abort(new Error(`no answer within ${timeout_ms / 1000} s`)), timeout_ms);
    try {
      const response = await this.#fetch(url, { ...init, signal: limit.signal });
      refuseRedirect(response, url);
      if (!response.ok) return await readError(response, parseRetryAfter(response.headers.get("retry-after")));
      // The body is read under the same time limit: a server may fall silent in the middle of it.
      return { status: response.status, headers: response.headers, text: await response.text() };
    } catch (cause) {
      if (request.signal?.aborted) throw request.signal.reason;
      if (cause instanceof ApiError) throw cause;
      return new ConnectionError(`cannot reach ${url.origin}: ${reasonOf(limit.signal.reason ?? cause)}`, cause);
    } finally {
      clearTimeout(timer);
      request.signal?.removeEventListener("abort", abort);
    }
  }

  async #init(url: URL, request: RawRequest): Promise<Omit<FetchInit, "signal">> {
    const { api_key, credentials, user_agent } = this.#options;
    const headers: Record<string, string> = { accept: "application/json", ...request.headers };
    if (request.body !== undefined) headers["content-type"] = "application/json";
    if (!isBrowser()) headers["user-agent"] = `${user_agent ? `${user_agent} ` : ""}latchkey-sdk/${VERSION}`;
    if (api_key !== undefined) {
      const secret = typeof api_key === "string" ? api_key : await api_key();
      checkCredential(secret, url);
      headers.authorization = `Bearer ${secret}`;
    }
    return {
      method: request.method,
      headers,
      // Followed by hand or not at all: a redirect must not carry a credential to another host.
      redirect: "manual",
      ...(api_key === undefined && isBrowser() ? { credentials: credentials ?? "same-origin" } : {}),
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
    };
  }

  #url(request: RawRequest): URL {
    const url = new URL(`${this.base_url}${request.path}`);
    // Segments such as ".." are resolved by URL; what they lead to is not what the caller named.
    if (!url.href.startsWith(`${this.base_url}/`)) throw new TypeError(`not a path below the API: ${request.path}`);
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value === undefined) continue;
      for (const one of Array.isArray(value) ? value : [value]) url.searchParams.append(name, String(one));
    }
    return url;
  }
}

/** The API's URL for what a person wrote as the host; throws a TypeError for what is none. */
export function apiUrl(base_url: string): URL {
  if (!URL.canParse(base_url)) throw new TypeError(`not a URL: ${base_url}`);
  const url = new URL(base_url);
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new TypeError("the host must be http:// or https://");
  if (url.username || url.password || url.search || url.hash) throw new TypeError("the host must be a plain URL");
  const path = url.pathname.replace(/\/+$/, "");
  return new URL(url.origin + (path.endsWith(API_PREFIX) ? path : path + API_PREFIX));
}

/** The value of an answer; undefined when it has no body. */
export function readJson(answer: Answer): unknown {
  if (answer.status === 204) return undefined;
  try {
    return JSON.parse(answer.text);
  } catch {
    throw new ApiError({
      status: answer.status,
      code: "NOT_JSON",
      message: "the answer is not JSON; is there a Latchkey server at this address?",
      request_id: answer.headers.get("x-request-id") ?? "",
    });
  }
}

function refuseRedirect(response: FetchedResponse, url: URL): void {
  if (response.type !== "opaqueredirect" && (response.status < 300 || response.status > 399)) return;
  const location = response.headers.get("location");
  const target = location !== null && URL.canParse(location, url.href) ? new URL(location, url).origin : "elsewhere";
  throw new ApiError({
    status: response.status,
    code: "REDIRECTED",
    message: `${url.origin} redirects to ${target}; the credential was not sent there. Use that as the host if it is meant`,
    request_id: response.headers.get("x-request-id") ?? "",
  });
}

/** Node's fetch says "fetch failed" and hides the reason in `cause`, sometimes several of them. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  const { cause } = error;
  if (cause instanceof Error) return reasonOf(cause);
  return error.message || error.name;
}
