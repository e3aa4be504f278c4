import { ApiErrorBody } from "@latchkey/contract/common.ts";
import type { RouteContract } from "@latchkey/contract/route.ts";
import type { TObject } from "typebox";
import type { Route } from "../route.ts";
import { isOpen } from "./pipeline.ts";

const SESSION = { Session: [] };

/** The OpenAPI 3.1 document, made from the contract: TypeBox schemas are JSON Schema as they stand. */
export function openApiDocument(
  routes: readonly Route[],
  version: string,
  base_url: string,
  /** How logins are got, as whoever gives them describes it. */
  oauth_scheme: object,
): object {
  const contracts = routes.map((route) => route.contract);
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const { path, method } = route.contract;
    const described = { ...operation(route.contract), ...securityOf(route) };
    paths[path] = { ...paths[path], [method.toLowerCase()]: described };
  }
  const tags = [...new Set(contracts.map(({ tag }) => tag))].map((name) => ({ name }));
  return {
    openapi: "3.1.0",
    info: {
      title: "Latchkey API",
      version,
      description: "A control plane for Postgres that speaks Neon's public API. Every API key is a secret.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: base_url }],
    security: [{ ApiKey: [] }, { OAuth: [] }, SESSION],
    tags,
    paths,
    components: {
      securitySchemes: {
        ApiKey: { type: "http", scheme: "bearer", description: "An API key: `Authorization: Bearer $NEON_API_KEY`." },
        OAuth: oauth_scheme,
        Session: {
          type: "apiKey",
          in: "cookie",
          name: "latchkey.session_token",
          description: "The Console's session; changes by it are taken from the Console's own pages alone.",
        },
      },
      schemas: { Error: ApiErrorBody },
      responses: {
        Error: {
          description: "Any error: what happened and what to do, with the request id to quote.",
          content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
        },
      },
    },
  };
}

/** What differs from the rule that each of the schemes will do. */
function securityOf(route: Route): { security?: object[] } {
  if (isOpen(route)) return { security: [] };
  return route.contract.session_only ? { security: [SESSION] } : {};
}

function operation(contract: RouteContract): object {
  return {
    operationId: contract.id,
    tags: [contract.tag],
    summary: contract.summary,
    ...(contract.description === undefined ? {} : { description: contract.description }),
    parameters: [...parameters(contract.params, "path"), ...parameters(contract.query, "query")],
    ...(contract.body === undefined
      ? {}
      : {
          requestBody: {
            required: contract.body_optional !== true,
            content: { "application/json": { schema: contract.body } },
          },
        }),
    responses: {
      [contract.status]: {
        description: contract.summary,
        content: { "application/json": { schema: contract.response } },
      },
      default: { $ref: "#/components/responses/Error" },
    },
  };
}

function parameters(schema: TObject | undefined, where: "path" | "query"): object[] {
  if (schema === undefined) return [];
  const required: readonly string[] = schema.required ?? [];
  return Object.entries(schema.properties).map(([name, property]) => ({
    name,
    in: where,
    required: required.includes(name),
    schema: property,
  }));
}
