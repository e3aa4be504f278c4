import type { Static, TObject, TSchema } from "typebox";

/**
 * THE CONTRACT. One file per API resource holds its schemas and its routes; the server's types and
 * validation, the OpenAPI document and the typed client are derived from it. It imports nothing but the
 * schema library, so that a client can depend on it without the server.
 */

/** One API operation as both sides see it: where it is, what goes in, what comes out. */
export interface RouteContract {
  /** Stable name, unique in the document. Neon's own `operationId` where the operation is Neon's. */
  readonly id: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path below `/api/v2` in OpenAPI notation: `/projects/{project_id}`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly params?: TObject;
  readonly query?: TObject;
  readonly body?: TSchema;
  /** Neon lets some bodies be left out altogether (`POST .../branches`). */
  readonly body_optional?: boolean;
  readonly status: 200 | 201 | 202 | 204;
  readonly response: TSchema;
  /** True when no key and no token will do: a person in front of the Console is meant. */
  readonly session_only?: boolean;
  /** True when the answer carries a secret: it is sent with `cache-control: no-store`. */
  readonly secret?: boolean;
}

/** Keeps the literal types of a route contract, so that server and client infer from it. */
export function contract<const R extends RouteContract>(route: R): R {
  return route;
}

type StaticOf<S> = S extends TSchema ? Static<S> : Record<never, never>;

export type ParamsOf<R extends RouteContract> = StaticOf<R["params"]>;
export type QueryOf<R extends RouteContract> = StaticOf<R["query"]>;
export type BodyOf<R extends RouteContract> = R["body_optional"] extends true
  ? StaticOf<R["body"]> | undefined
  : StaticOf<R["body"]>;
export type ResponseOf<R extends RouteContract> = Static<R["response"]>;
