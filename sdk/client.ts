import type { BodyOf, ParamsOf, QueryOf, ResponseOf, RouteContract } from "@latchkey/contract/route.ts";
import { type ItemOf, iterateItems, iteratePages } from "./pages.ts";
import { type Answer, type ClientOptions, type RawRequest, readJson, Transport } from "./transport.ts";
import { type WaitedOperation, type WaitOptions, waitForOperations } from "./wait.ts";

/**
 * The typed client. It knows no operation by itself: a call takes the operation's contract, and both the
 * request and the answer have the types that the contract states. Nothing but `fetch` is used, so it runs in
 * Node, in edge runtimes and, without a key, in browsers.
 */

/** A part of the request is asked for when the contract requires something in it. */
type Part<Name extends string, Value> =
  Record<never, never> extends Value ? { readonly [K in Name]?: Value | undefined } : { readonly [K in Name]: Value };

/** What goes into a call of this operation. */
export type InputOf<R extends RouteContract> = Part<"params", ParamsOf<R>> &
  Part<"query", QueryOf<R>> &
  (undefined extends BodyOf<R> ? { readonly body?: BodyOf<R> } : Part<"body", BodyOf<R>>) & {
    readonly signal?: AbortSignal | undefined;
  };

/** The input may be left out altogether when nothing in it is required. */
export type ArgumentsOf<R extends RouteContract> =
  Record<never, never> extends InputOf<R> ? [input?: InputOf<R>] : [input: InputOf<R>];

export interface Client {
  /** The API's own URL, `/api/v2` included. */
  readonly base_url: string;
  /** Performs one operation. Throws `ApiError`, `ConnectionError`, or the signal's reason. */
  call<R extends RouteContract>(route: R, ...input: ArgumentsOf<R>): Promise<ResponseOf<R>>;
  /** The answers of a list, page after page; both of the API's cursor dialects. */
  pages<R extends RouteContract>(route: R, ...input: ArgumentsOf<R>): AsyncGenerator<ResponseOf<R>, void>;
  /** The items of a list, over all its pages. */
  items<R extends RouteContract>(route: R, ...input: ArgumentsOf<R>): AsyncGenerator<ItemOf<ResponseOf<R>>, void>;
  /** The items of a list, over all its pages, in one array. */
  all<R extends RouteContract>(route: R, ...input: ArgumentsOf<R>): Promise<ItemOf<ResponseOf<R>>[]>;
  /** Waits until all of the operations have finished; throws `OperationError` when one fails or time is up. */
  waitForOperations<Op extends WaitedOperation>(operations: readonly Op[], options?: WaitOptions): Promise<Op[]>;
  /** One request without a contract; an answer other than 2xx is thrown. For paths that the contract lacks. */
  request(request: RawRequest): Promise<Answer>;
}

export function createClient(options: ClientOptions): Client {
  const transport = new Transport(options);

  const call = async (route: RouteContract, input: AnyInput = {}): Promise<unknown> => {
    const answer = await transport.send({
      method: route.method,
      path: fillPath(route.path, input.params ?? {}),
      query: input.query,
      body: input.body,
      signal: input.signal,
    });
    return readJson(answer);
  };

  const pages = (route: RouteContract, input: AnyInput = {}) =>
    iteratePages((query) => call(route, { ...input, query }), input);
  const items = (route: RouteContract, input: AnyInput = {}) =>
    iterateItems((query) => call(route, { ...input, query }), input);

  const client = {
    base_url: transport.base_url,
    call,
    pages,
    items,
    all: async (route: RouteContract, input?: AnyInput) => {
      const all: unknown[] = [];
      for await (const item of items(route, input)) all.push(item);
      return all;
    },
    waitForOperations: (operations: readonly WaitedOperation[], wait?: WaitOptions) =>
      waitForOperations(transport, operations, wait),
    request: (request: RawRequest) => transport.send(request),
  };
  // The types of a call are those of its contract; inside, all operations are handled alike.
  return client as unknown as Client;
}

interface AnyInput {
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  readonly query?: Readonly<Record<string, unknown>> | undefined;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

/** Puts the parameters into `/projects/{project_id}`, so that none can reach beyond its own segment. */
export function fillPath(path: string, params: Readonly<Record<string, unknown>>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name];
    const text = value === undefined || value === null ? "" : String(value);
    // URL resolves these away, in their encoded forms too: another operation would be called.
    if (text === "" || text === "." || text === "..") throw new TypeError(`${name} must not be "${text}"`);
    return encodeURIComponent(text);
  });
}

export { ApiError, ConnectionError, CredentialError, LostAnswerError, OperationError } from "./error.ts";
export { type Answer, apiUrl, type ClientOptions, type Fetch, type RawRequest } from "./transport.ts";
export type { WaitedOperation, WaitOptions } from "./wait.ts";
