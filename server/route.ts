import type { BodyOf, ParamsOf, QueryOf, ResponseOf, RouteContract } from "@latchkey/contract/route.ts";
import type { CallerAccess, OrganizationAccess, PersonAccess, ProjectAccess } from "./access/handles.ts";
import type { Action } from "./access/policy.ts";
import type { Origin, Principal } from "./access/principal.ts";

/** What a route's rules get: the parts of the request, each checked against the contract. */
export interface Input<R extends RouteContract> {
  readonly params: ParamsOf<R>;
  readonly query: QueryOf<R>;
  readonly body: BodyOf<R>;
}

/** For locating the resource that access is asked on, where it is not simply named in the path. */
export interface Located<R extends RouteContract> extends Input<R> {
  readonly principal: Principal;
}

type OfPrincipal<R extends RouteContract, T> = T | ((request: { principal: Principal; params: ParamsOf<R> }) => T);

interface AccessKinds {
  caller: CallerAccess;
  person: PersonAccess;
  organization: OrganizationAccess;
  project: ProjectAccess;
  /** One that has been deleted and can still be recovered. */
  deleted_project: ProjectAccess;
}

/**
 * What a route asks of its caller; mandatory, so that no route is open by oversight. `organization` is the
 * path's `org_id` unless `locate` finds it in the body or query; `project` is always the path's.
 */
export type Requires<R extends RouteContract, On extends keyof AccessKinds> = {
  readonly on: On;
  readonly action: OfPrincipal<R, Action>;
} & (On extends "organization" ? { readonly locate?: (request: Located<R>) => string } : unknown);

/** Who and what a change was about, for the audit row that the pipeline writes with it. */
export interface AuditSubject {
  /** `kind:id` of what was made or changed. */
  readonly subject: string;
  readonly user_id?: string;
  readonly org_id?: string;
  readonly project_id?: string;
}

/** An answer that also sets cookies; only sessions need one. */
export class AnswerWithCookies<Body> {
  readonly body: Body;
  readonly cookies: readonly string[];

  constructor(body: Body, cookies: readonly string[]) {
    this.body = body;
    this.cookies = cookies;
  }
}

/**
 * An answer that is finished once the change has been committed, for what must not happen under a
 * transaction or before it is certain: sending mail. `finish` cannot undo the change, and must not throw.
 */
export class AnswerAfterCommit<Body> {
  readonly body: Body;
  readonly finish: () => Promise<Body>;

  /** `body` is what the audit row is told of; `finish` gives the answer that is sent. */
  constructor(body: Body, finish: () => Promise<Body>) {
    this.body = body;
    this.finish = finish;
  }
}

type Answer<Body> = Body | AnswerWithCookies<Body> | AnswerAfterCommit<Body>;

type Audited<R extends RouteContract> = R["method"] extends "GET"
  ? unknown
  : { readonly audit: (input: Input<R>, result: ResponseOf<R>) => AuditSubject };

/** A route as the server serves it: the contract, who may, and the rules. */
export type RouteOptions<R extends RouteContract, On extends keyof AccessKinds, Prepared = undefined> = {
  readonly requires: Requires<R, On>;
  /**
   * What takes long and needs no transaction, done before one is opened, since each holds a connection that others wait
   * for. Only where access is a matter of the caller alone (`on: "caller"`), which has been decided by then.
   */
  readonly prepare?: (input: Input<R>, origin: Origin) => Promise<Prepared>;
  /** The rules; they never see a request or a response. A change runs in one transaction, audit row included. */
  readonly run: (
    access: AccessKinds[On],
    input: Input<R>,
    prepared: Prepared,
  ) => Answer<ResponseOf<R>> | Promise<Answer<ResponseOf<R>>>;
} & Audited<R>;

/** A route with its types forgotten, as the pipeline handles all of them alike. */
export interface Route {
  readonly contract: RouteContract;
  readonly requires: {
    readonly on: keyof AccessKinds;
    readonly action: Action | ((request: { principal: Principal; params: never }) => Action);
    readonly locate?: (request: never) => string;
  };
  /** The answer for a caller who may have it, of nothing but who that is. See `routeFromMemory`. */
  readonly from_memory?: (principal: Principal) => object;
  readonly prepare?: (input: never, origin: Origin) => Promise<unknown>;
  readonly run: (access: never, input: never, prepared: never) => unknown;
  readonly audit?: (input: never, result: never) => AuditSubject;
}

/** Declares a route. */
export function route<R extends RouteContract, On extends keyof AccessKinds, Prepared = undefined>(
  contract: R,
  options: RouteOptions<R, On, Prepared>,
): Route {
  return { contract, ...options } as unknown as Route;
}

/**
 * Declares a route whose rules need to know nothing but who calls. Where memory knows that, it is answered by the short
 * way of `http/memory-path.ts`.
 */
export function routeFromMemory<R extends RouteContract & { readonly method: "GET" }>(
  contract: R,
  { action, run }: { readonly action: Action; readonly run: (principal: Principal) => ResponseOf<R> & object },
): Route {
  return {
    contract,
    requires: { on: "caller", action },
    run: ({ principal }: CallerAccess) => run(principal),
    from_memory: run,
  };
}
