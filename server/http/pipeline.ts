import type { RouteContract } from "@latchkey/contract/route.ts";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Authenticator } from "../access/authenticate.ts";
import { authorize, type Demand, isCallerAllowed } from "../access/authorize.ts";
import type { CallerAccess } from "../access/handles.ts";
import { type Action, isAllowed, refusal } from "../access/policy.ts";
import type { Origin, Principal } from "../access/principal.ts";
import { holdCredential } from "../access/store.ts";
import { type Db, inTransaction, isDatabaseLost, type Tx } from "../db/pool.ts";
import { ApiError, unreachable } from "../errors.ts";
import type { AccessChange } from "../nodes/change.ts";
import { AnswerAfterCommit, AnswerWithCookies, type AuditSubject, type Route } from "../route.ts";
import { checkSameOrigin } from "./same-origin.ts";
import { type Checks, compileChecks } from "./validate.ts";

/**
 * The path of one request, in order. `http/` is the only room that knows the HTTP library, and it never
 * imports a feature: `serve.ts` hands it the routes.
 */
export interface PipelineDeps {
  readonly db: Db;
  readonly authenticator: Authenticator;
  readonly public_url: string;
  /** Appends the audit row; part of the change's transaction. */
  readonly recordAudit: (access: CallerAccess, action: string, about: AuditSubject) => Promise<number>;
  /** Makes a change that narrows access hold on every node before it is answered. */
  readonly revocations: {
    append(tx: Tx, changes: readonly AccessChange[]): Promise<number>;
    confirm(revision: number, audit_id: number | undefined): Promise<void>;
  };
  /** Absent: no limits. */
  readonly rate_limits?: { count(principal: Principal, route_id: string): void } | undefined;
  /** Called after a change has been committed: there may be work. */
  readonly afterChange: () => void;
}

const ANONYMOUS: Principal = { kind: "anonymous" };

/** Open to everybody: what a visitor needs on the way to a credential. */
export function isOpen({ requires: { action } }: Route): boolean {
  return typeof action === "string" && isAllowed(action, "anonymous");
}

/** Step 1, before the body is read: an unknown caller costs us no more than headers. */
export function authenticateRequest(deps: PipelineDeps, open: boolean) {
  // With a callback: most requests are decided at once, and a promise for each would cost more than deciding.
  return (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void => {
    request.origin = originOf(request);
    if (open) {
      request.principal = ANONYMOUS;
      done();
      return;
    }
    const settle = (principal: Principal | undefined) => {
      if (principal) request.principal = principal;
      done(principal ? undefined : unknownCaller(deps));
    };
    try {
      const { authorization, cookie } = request.headers;
      const found = deps.authenticator.authenticate({ authorization, cookie }, request.origin);
      if (found instanceof Promise) found.then(settle, done);
      else settle(found);
    } catch (error) {
      done(error as Error);
    }
  };
}

/** One and the same, whatever is not good about a credential and whenever that is found. */
function unknownCaller({ public_url }: PipelineDeps): ApiError {
  // RFC 9728, 5.1: where a client that comes without a credential finds out how to get one.
  const metadata = `${public_url}/.well-known/oauth-protected-resource/api/v2`;
  return new ApiError("unauthenticated", undefined, {
    headers: { "www-authenticate": `Bearer resource_metadata="${metadata}"` },
  });
}

/** Steps 2 to 6: locate, authorize, validate, run, audit, commit; then the answer. */
export function serveRoute(route: Route, deps: PipelineDeps) {
  const checks = compileChecks(route.contract);
  const changes = route.contract.method !== "GET";
  const cache_control = cacheControlOf(route.contract);

  // Answers by itself instead of returning a promise of the answer: what is known at once is sent at once.
  return (request: FastifyRequest, reply: FastifyReply): void => {
    const send = (result: unknown): void => {
      if (result instanceof AnswerWithCookies && result.cookies.length > 0)
        reply.header("set-cookie", [...result.cookies]);
      reply.header("cache-control", cache_control);
      reply.code(route.contract.status).send(bodyOf(result));
    };
    const fail = (error: Error): void => void reply.send(error);
    try {
      const { principal } = request;
      deps.rate_limits?.count(principal, route.contract.id);
      if (changes) {
        // A browser sends the session cookie by itself, so a change by session must come from our own pages.
        if (principal.kind === "anonymous" || (principal.kind === "person" && principal.via === "session")) {
          checkSameOrigin(request.headers, deps.public_url);
        }
        change(route, checks, request, deps).then(send).catch(fail);
        return;
      }
      const result = runRoute(route, checks, request, deps.db);
      if (result instanceof Promise) result.then(({ result }) => send(result)).catch(fail);
      else send(result.result);
    } catch (error) {
      fail(error as Error);
    }
  };
}

export function cacheControlOf({ secret }: RouteContract): string {
  return secret ? "no-store" : "private, no-cache";
}

/** Runs a route that changes something in a transaction, and waits until the change holds everywhere. */
async function change(route: Route, checks: Checks, request: FastifyRequest, deps: PipelineDeps): Promise<unknown> {
  const prepared = route.prepare && (await prepare(route, route.prepare, checks, request));
  let worked = false;
  const work = async (tx: Tx) => {
    worked = false;
    // Authenticated when its head came; until its body has come the credential may have ended, and been answered so.
    if (!(await holdCredential(tx, request.principal))) throw unknownCaller(deps);
    const ran = await runRoute(route, checks, request, tx, prepared);
    const recorded = await record(route, ran, tx, deps);
    worked = true;
    return recorded;
  };
  const { result, revision, audit_id } = await inTransaction(deps.db, work).catch((cause) => {
    // Only the commit was left to do: the database may have carried it out, and its answer be what was lost.
    if (worked && isDatabaseLost(cause)) throw new ApiError("unconfirmed", undefined, { cause });
    throw cause;
  });
  deps.afterChange();
  // Committed, and not yet answered: whoever reads the answer may rely on it at every node.
  if (revision !== undefined) await deps.revocations.confirm(revision, audit_id);
  return result instanceof AnswerAfterCommit ? await result.finish() : result;
}

/** What a route does before its transaction: after the same refusals, in the same order, as `run`. */
async function prepare(
  { requires: { on, action } }: Route,
  work: NonNullable<Route["prepare"]>,
  checks: Checks,
  request: FastifyRequest,
): Promise<unknown> {
  const { principal, origin } = request;
  const params = checks.params(request.params);
  if (on !== "caller" || typeof action !== "string")
    return unreachable("a route that prepares for more than its caller");
  if (!isCallerAllowed(action, principal)) throw refusal(principal, undefined);
  const input = { params, query: checks.query(request.query), body: checks.body(request.body) };
  return await work(input as never, origin);
}

interface Ran {
  readonly access: CallerAccess;
  readonly action: Action;
  readonly input: object;
  readonly result: unknown;
}

/** At once where neither the access nor the rules ask the database, which is how API keys are verified. */
function runRoute(
  route: Route,
  checks: Checks,
  request: FastifyRequest,
  tx: Tx,
  prepared?: unknown,
): Ran | Promise<Ran> {
  const principal = request.principal;
  const params = checks.params(request.params);
  const requires = route.requires as unknown as {
    action: Action | ((r: object) => Action);
    locate?: (r: object) => string;
  };
  const action = typeof requires.action === "function" ? requires.action({ principal, params }) : requires.action;

  // Where the organization is named in the body or the query, these must be read first; that tells a
  // stranger the form of a request, which the OpenAPI document tells everybody.
  const located = requires.locate ? { query: checks.query(request.query), body: checks.body(request.body) } : undefined;
  const demand: Demand = demandOf(route, action, params, () => requires.locate?.({ principal, params, ...located }));
  const run = route.run as (access: CallerAccess, input: object, prepared: unknown) => unknown;
  return andThen(authorize(tx, principal, request.origin, demand), (access) => {
    const input = {
      params,
      query: located?.query ?? checks.query(request.query),
      body: located ? located.body : checks.body(request.body),
    };
    return andThen(run(access, input, prepared), (result) => ({ access, action, input, result }));
  });
}

/** Continues with a value, at once where it is no promise: a promise for each request costs more than verifying its key. */
function andThen<A, B>(value: A | Promise<A>, next: (value: A) => B | Promise<B>): B | Promise<B> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** What a change leaves in its own transaction: the audit row, and what it has narrowed. */
async function record(route: Route, { access, action, input, result }: Ran, tx: Tx, deps: PipelineDeps) {
  let audit_id: number | undefined;
  if (route.audit) {
    const audit = route.audit as (input: object, result: unknown) => AuditSubject;
    audit_id = await deps.recordAudit(access, access.required ?? action, audit(input, bodyOf(result)));
  }
  // The last statement before the commit: it takes a lock that all narrowing changes share.
  const revision = access.narrowed.length > 0 ? await deps.revocations.append(tx, access.narrowed) : undefined;
  return { result, revision, audit_id };
}

function bodyOf(result: unknown): unknown {
  return result instanceof AnswerWithCookies || result instanceof AnswerAfterCommit ? result.body : result;
}

function demandOf(
  route: Route,
  action: Action,
  params: Record<string, unknown>,
  locate: () => string | undefined,
): Demand {
  const { on } = route.requires;
  switch (on) {
    case "caller":
    case "person":
      return { on, action };
    case "organization":
      return { on, action, org_id: locate() ?? String(params.org_id) };
    case "project":
    case "deleted_project":
      return { on, action, project_id: String(params.project_id) };
  }
}

export function originOf(request: FastifyRequest): Origin {
  return { request_id: request.id, address: request.client_address, user_agent: request.headers["user-agent"] ?? "" };
}

declare module "fastify" {
  interface FastifyRequest {
    principal: Principal;
    origin: Origin;
    readonly client_address: string;
    started_ms: number;
  }
}
