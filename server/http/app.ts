import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { describePrincipal } from "../access/principal.ts";
import type { Clock } from "../clock.ts";
import { isDatabaseLost, sqlState } from "../db/pool.ts";
import { ApiError, errorBody } from "../errors.ts";
import { describeError, type Log } from "../log.ts";
import type { Route } from "../route.ts";
import { clientAddress } from "./client-address.ts";
import { memoryPath } from "./memory-path.ts";
import { notOffered } from "./not-offered.ts";
import { authenticateRequest, isOpen, type PipelineDeps, serveRoute } from "./pipeline.ts";
import { requestIds } from "./request-ids.ts";
import { safetyHeaders } from "./safety-headers.ts";

export const API_PREFIX = "/api/v2";
const BODY_LIMIT_BYTES = 1024 * 1024;
/** Longer than any id or Postgres name, percent-encoded: such a path must reach the check that refuses it. */
const PARAM_LIMIT = 512;

/** Longer than load balancers keep their connections: the one who speaks next should be the one who closes. */
const KEEP_ALIVE_MS = 72_000;

export interface AppDeps extends PipelineDeps {
  readonly routes: readonly Route[];
  readonly clock: Clock;
  readonly log: Log;
  readonly trust_proxy: number;
}

/** Builds the HTTP application: the API's routes behind the pipeline, one renderer for every error. */
export async function createApp(deps: AppDeps): Promise<FastifyInstance> {
  const headers = await safetyHeaders(deps.public_url);
  const requestId = requestIds();
  const addressOf = clientAddress(deps.trust_proxy);
  const answerFromMemory = memoryPath({
    ...deps,
    prefix: API_PREFIX,
    headers: headers.api,
    originOf: (request) => ({
      request_id: requestId(request),
      address: addressOf(request),
      user_agent: request.headers["user-agent"] ?? "",
    }),
  });
  // Limits count each request, and a server that stops says so in each answer: both are the pipeline's.
  const isShort = () => deps.rate_limits === undefined && !draining.has(app);
  const app: FastifyInstance = Fastify({
    logger: false,
    bodyLimit: BODY_LIMIT_BYTES,
    requestIdHeader: false,
    genReqId: (request) => requestId(request as IncomingMessage),
    // Most requests are empty, and to read nothing from a stream costs much.
    serverFactory: (serve) =>
      rememberConnections(
        createServer({ optimizeEmptyRequests: true, keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
          if (!isShort() || !answerFromMemory(request, response)) serve(request, response);
        }),
      ),
    // A path that ends in a slash is another one: `DELETE /sessions/` with its id forgotten must not mean all.
    routerOptions: { maxParamLength: PARAM_LIMIT },
    exposeHeadRoutes: false,
    // A request that arrives while we stop is served: its sender cannot have known.
    return503OnClosing: false,
    forceCloseConnections: "idle",
    clientErrorHandler: refuseBytes,
    frameworkErrors: (error, request, reply) =>
      sendError(deps, error, request as FastifyRequest, reply as FastifyReply),
  });

  app.decorateRequest("started_ms", 0);
  app.decorateRequest("principal");
  app.decorateRequest("origin");
  app.decorateRequest("client_address", {
    getter(this: FastifyRequest) {
      return addressOf(this.raw);
    },
  });
  acceptEmptyBodies(app);
  // An empty request has ended before anybody reads it, and the library waits for the end.
  app.addHook("preParsing", (_request, _reply, payload, done) =>
    done(null, payload.readableEnded ? Readable.from([]) : payload),
  );

  app.addHook("onRequest", (request, reply, done) => {
    request.started_ms = deps.clock.monotonic_ms();
    reply.header("x-request-id", request.id);
    if (draining.has(app)) reply.header("connection", "close");
    reply.headers(request.url.startsWith(API_PREFIX) ? headers.api : headers.page);
    done();
  });
  // Not after the response: listening for the end of every response costs more than everything else that is done here.
  app.addHook("onSend", (request, reply, _payload, done) => {
    const tell = deps.log.requestsOf(request.method, request.routeOptions.url ?? "(none)", reply.statusCode);
    tell(deps.clock.monotonic_ms() - request.started_ms, () => ({
      request_id: request.id,
      principal: request.principal ? describePrincipal(request.principal) : "none",
    }));
    done();
  });
  app.setErrorHandler((error: FastifyError, request, reply) =>
    error.statusCode === 413
      ? discardBody(request.raw).then(() => sendError(deps, error, request, reply))
      : sendError(deps, error, request, reply),
  );

  for (const route of deps.routes) {
    const open = isOpen(route);
    app.route({
      method: route.contract.method,
      url: API_PREFIX + route.contract.path.replaceAll(/\{(\w+)\}/g, ":$1"),
      schema: { response: { [route.contract.status]: route.contract.response } },
      onRequest: authenticateRequest(deps, open),
      handler: serveRoute(route, deps),
    });
  }
  const authenticate = promisify(authenticateRequest(deps, false));
  app.setNotFoundHandler(async (request, reply) => {
    // Below the API a stranger is a stranger first.
    if (request.url.startsWith(`${API_PREFIX}/`)) {
      await authenticate(request, reply);
      const [path = ""] = request.url.slice(API_PREFIX.length).split("?", 1);
      throw notOffered(path);
    }
    throw new ApiError("not_found");
  });
  return app;
}

const IDLE_SWEEP_MS = 20;

/** So long a stopping server asks its clients, by `Connection: close`, to go elsewhere before it closes the door. */
const DRAIN_MS = 300;
const draining = new WeakSet<FastifyInstance>();

/** So long the head of a request may still be under way once the door is closed, and so long a request may last. */
const HEAD_WITHIN_MS = 1_000;
const END_WITHIN_MS = 10_000;
const connections = new WeakMap<Server, Set<Socket>>();

/**
 * Stops without losing a request. For a moment everything is served still, and each answer asks its client
 * to come back on another connection; then it stops listening, lets the requests in progress end, and resolves
 * when the last connection has gone. One that stayed idle all the while is closed, and so is, a little later, one that
 * has sent nothing or half a head: a server that has stopped listening does not enforce its time limits any more.
 */
export async function closeApp(app: FastifyInstance, clock: Clock): Promise<void> {
  draining.add(app);
  const deadline_ms = clock.monotonic_ms() + DRAIN_MS;
  while (clock.monotonic_ms() < deadline_ms && (await countConnections(app)) > 0) await clock.sleep(IDLE_SWEEP_MS);
  const closed_ms = clock.monotonic_ms();
  const sweep = setInterval(() => {
    const since_ms = clock.monotonic_ms() - closed_ms;
    app.server.closeIdleConnections();
    if (since_ms > HEAD_WITHIN_MS) for (const socket of connections.get(app.server) ?? []) endWithoutRequest(socket);
    if (since_ms > END_WITHIN_MS) app.server.closeAllConnections();
  }, IDLE_SWEEP_MS);
  try {
    await app.close();
  } finally {
    clearInterval(sweep);
  }
}

/** The library tells those that are idle, of which one is none that has sent nothing yet. */
function rememberConnections(server: Server): Server {
  const open = new Set<Socket>();
  connections.set(server, open);
  return server.on("connection", (socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
}

/** From a whole head until the end of the answer, the answer hangs on its connection. */
function endWithoutRequest(socket: Socket & { readonly _httpMessage?: unknown }): void {
  if (!socket._httpMessage) socket.destroy();
}

function countConnections(app: FastifyInstance): Promise<number> {
  return new Promise((resolve) => app.server.getConnections((_error, count) => resolve(count ?? 0)));
}

/** Clients that always state a content type send it with an empty body too: that is no body. */
function acceptEmptyBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser("error", "error");
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    if (body === "") return done(null, undefined);
    return parse(request, body as string, done);
  });
  // What axios says of a body that there is not: Neon's own library starts and suspends computes in this way.
  app.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "string" }, (_request, body, done) => {
    if (body === "") return done(null, undefined);
    return done(new ApiError("unsupported_media_type"));
  });
}

const DISCARD_BYTES = 16 * BODY_LIMIT_BYTES;
const DISCARD_WITHIN_MS = 1_000;

/**
 * Reads on for a moment before a body that is too large is refused. A connection that is closed with bytes unread is reset, and
 * whoever still sends would see that in place of the answer (RFC 9112, 9.6).
 */
function discardBody(body: Readable): Promise<void> {
  return new Promise((resolve) => {
    let left = DISCARD_BYTES;
    const timer = setTimeout(resolve, DISCARD_WITHIN_MS);
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    body.on("data", (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) done();
    });
    for (const end of ["end", "error", "close"]) body.once(end, done);
    if (body.readableEnded || body.destroyed) done();
  });
}

/** What is no HTTP at all gets the same form of error, as far as it can be answered. */
function refuseBytes(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const [status, reason] = CLIENT_ERRORS[error.code ?? ""] ?? [400, "Bad Request"];
  const body = JSON.stringify(errorBody(new ApiError("bad_request", "this is not a valid HTTP request"), randomUUID()));
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

const CLIENT_ERRORS: Readonly<Record<string, readonly [number, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, "Request Timeout"],
  HPE_HEADER_OVERFLOW: [431, "Request Header Fields Too Large"],
};

function sendError(deps: AppDeps, cause: unknown, request: FastifyRequest, reply: FastifyReply) {
  const error = toApiError(cause);
  // Too many are counted and not logged: a flood must not be able to write our log full.
  if (error.status >= 500 && error.code !== "overloaded") {
    const origin = error.cause ?? cause;
    deps.log.event("request.failed", {
      request_id: request.id,
      route: request.routeOptions?.url ?? "(none)",
      error: describeError(origin),
      stack: origin instanceof Error ? (origin.stack ?? "") : "",
    });
  }
  return reply
    .headers({ "x-request-id": request.id, "cache-control": "no-store", ...error.headers })
    .code(error.status)
    .type("application/json; charset=utf-8")
    .send(JSON.stringify(errorBody(error, request.id)));
}

/** Every error that can get here, as one of ours. What is not foreseen is a 500 that tells nothing. */
const DEADLOCK_DETECTED = "40P01";

function toApiError(cause: unknown): ApiError {
  if (cause instanceof ApiError) return cause;
  if (isDatabaseLost(cause)) return new ApiError("unavailable", undefined, { cause, headers: { "retry-after": "1" } });
  // Data that Postgres itself cannot take (a NUL in a text, a date out of range) is the request's fault.
  if (sqlState(cause)?.startsWith("22")) return new ApiError("bad_request", undefined, { cause });
  // Of two changes that wait for one another PostgreSQL gives up one, which is to be tried again.
  if (sqlState(cause) === DEADLOCK_DETECTED) return new ApiError("locked", undefined, { cause });
  const status = cause instanceof Error && "statusCode" in cause ? cause.statusCode : undefined;
  switch (status) {
    case 400:
      return new ApiError("bad_request", "the request is not valid JSON over HTTP", { cause });
    case 404:
      return new ApiError("not_found", undefined, { cause });
    case 405:
      return new ApiError("method_not_allowed", undefined, { cause });
    case 413:
      return new ApiError("too_large", undefined, { cause });
    case 415:
      return new ApiError("unsupported_media_type", undefined, { cause });
    case 414:
      // A path parameter beyond PARAM_LIMIT: nothing has so long an id.
      return new ApiError("not_found", undefined, { cause });
    case 503:
      return new ApiError("unavailable", undefined, { cause });
    default:
      // What the HTTP library blames on the request is the request's fault, whatever it is.
      if (typeof status === "number" && status >= 400 && status < 500) {
        return new ApiError("bad_request", undefined, { cause });
      }
      return new ApiError("internal", undefined, { cause });
  }
}
