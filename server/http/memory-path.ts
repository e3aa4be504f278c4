import type { IncomingMessage, ServerResponse } from "node:http";
import fastJson from "fast-json-stringify";
import type { Authenticator } from "../access/authenticate.ts";
import { isCallerAllowed } from "../access/authorize.ts";
import type { Action } from "../access/policy.ts";
import { describePrincipal, type Origin, type Principal } from "../access/principal.ts";
import { type Clock, instantOf } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Route } from "../route.ts";
import { cacheControlOf } from "./pipeline.ts";

export interface MemoryPathDeps {
  readonly routes: readonly Route[];
  /** What all their paths begin with. */
  readonly prefix: string;
  readonly authenticator: Pick<Authenticator, "recall">;
  /** Headers of every answer. */
  readonly headers: Readonly<Record<string, string>>;
  readonly originOf: (request: IncomingMessage) => Origin;
  readonly clock: Clock;
  readonly log: Log;
}

/** Whether it has answered. If not, it has counted and said nothing, and the pipeline does everything. */
export type MemoryPath = (request: IncomingMessage, response: ServerResponse) => boolean;

/**
 * The short way for routes that can be answered from memory, ahead of the HTTP library: that one's own work for a
 * request is several times the work of verifying a key. It answers well or not at all. Whatever is not plain, a body, a
 * key that memory does not know, a refusal, is the pipeline's, and nobody can tell which of the two has answered.
 */
export function memoryPath(deps: MemoryPathDeps): MemoryPath {
  const answers = deps.routes.flatMap((route) =>
    route.from_memory
      ? [{ path: deps.prefix + route.contract.path, answer: answerOf(route, route.from_memory, deps) }]
      : [],
  );
  return (request, response) => {
    // An empty request has ended by now: see `optimizeEmptyRequests`.
    if (request.method !== "GET" || !request.readableEnded) return false;
    // A few comparisons, which mostly end at the length: a map would have to hash each request's path.
    for (const { path, answer } of answers) if (path === request.url) return answer(request, response);
    return false;
  };
}

function answerOf(
  { contract, requires }: Route,
  bodyFor: NonNullable<Route["from_memory"]>,
  { prefix, authenticator, headers, originOf, clock, log }: MemoryPathDeps,
): MemoryPath {
  const { method, path, status, response: schema } = contract;
  const action = requires.action as Action;
  // As the HTTP library writes its answers: nothing leaves that the contract does not name.
  const write = fastJson(schema);
  const tell = log.requestsOf(method, prefix + path, status);
  // One list for all answers, of which each writes its two: it is read at once, and to copy it would cost what a look-up does.
  const [id_at, length_at] = [1, 3];
  const lines = [
    ...["x-request-id", "", "content-length", ""],
    ...Object.entries(headers).flat(),
    ...["cache-control", cacheControlOf(contract), "content-type", "application/json; charset=utf-8"],
  ];

  return (request, response) => {
    const began = instantOf(clock);
    const { authorization } = request.headers;
    if (authorization === undefined) return false;
    let origin: Origin;
    let principal: Principal | undefined;
    let body: string;
    try {
      origin = originOf(request);
      principal = authenticator.recall(authorization, origin, began);
      if (principal === undefined || !isCallerAllowed(action, principal)) return false;
      body = write(bodyFor(principal));
    } catch {
      // Nobody catches here but the process, which would end. The pipeline fails in its turn, and answers and logs that.
      return false;
    }
    const length = Buffer.byteLength(body);
    // What is as many bytes as characters is ASCII, and need not be encoded.
    const encoding = length === body.length ? "latin1" : "utf8";
    lines[id_at] = origin.request_id;
    lines[length_at] = String(length);
    response.writeHead(status, lines);
    response.end(body, encoding);
    tell(clock.monotonic_ms() - began.monotonic_ms, () => ({
      request_id: origin.request_id,
      principal: describePrincipal(principal),
    }));
    return true;
  };
}
