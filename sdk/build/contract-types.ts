import type { RouteContract } from "@latchkey/contract/route.ts";
import { operations } from "../operations.ts";

/**
 * The contract as the published package holds it: routes without schemas, and plain TypeScript types made
 * from the schemas, so that the package depends on nothing.
 */
interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly description?: string;
}

/** What a call has to know of a route. */
export function withoutSchemas({ id, method, path, status, secret }: RouteContract): object {
  return { id, method, path, status, ...(secret ? { secret } : {}) };
}

/** `operations.d.ts`: one constant for each operation, with its types. */
export function operationTypes(): string {
  const declared = Object.entries<RouteContract>(operations).map(([name, route]) => {
    const { params, query, body } = route;
    const body_type = body === undefined ? "{}" : typeOf(body as Schema, 1);
    const types = [
      params ? typeOf(params as Schema, 1) : "{}",
      query ? typeOf(query as Schema, 1) : "{}",
      route.body_optional ? `${body_type} | undefined` : body_type,
      typeOf(route.response as Schema, 1),
    ];
    const about = [route.summary, route.description].filter(Boolean).join(". ");
    return `  /** ${route.method} ${route.path} — ${comment(about)} */\n  readonly ${name}: Route<\n    ${types.join(",\n    ")}\n  >;`;
  });
  return `import type { Route } from "./contract.js";
import type { ArgumentsOf, Client } from "./client.js";
import type { ResponseOf } from "./contract.js";

/** The contracts of all operations by id. */
export declare const operations: {
${declared.join("\n")}
};

/** \`api.listProjects({ query: { org_id } })\` for every operation, with the client's types and errors. */
export type Api = {
  readonly [Name in keyof typeof operations]: (
    ...input: ArgumentsOf<(typeof operations)[Name]>
  ) => Promise<ResponseOf<(typeof operations)[Name]>>;
};
export declare function createApi(client: Pick<Client, "call">): Api;
`;
}

/** `contract.d.ts`: what the client's types need to know of a route. */
export const CONTRACT_TYPES = `/** One API operation: where it is, what goes in, what comes out. */
export interface RouteContract {
  readonly id: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path below \`/api/v2\` in OpenAPI notation. */
  readonly path: string;
  readonly status: number;
  readonly secret?: boolean;
  /** For the type checker only; never there. */
  readonly types?: { readonly params: unknown; readonly query: unknown; readonly body: unknown; readonly response: unknown };
}
export interface Route<Params, Query, Body, Response> extends RouteContract {
  readonly types?: { readonly params: Params; readonly query: Query; readonly body: Body; readonly response: Response };
}
type TypesOf<R extends RouteContract> = NonNullable<R["types"]>;
export type ParamsOf<R extends RouteContract> = TypesOf<R>["params"];
export type QueryOf<R extends RouteContract> = TypesOf<R>["query"];
export type BodyOf<R extends RouteContract> = TypesOf<R>["body"];
export type ResponseOf<R extends RouteContract> = TypesOf<R>["response"];
`;

/** The TypeScript type of a schema. Throws for what it does not know, rather than calling it `unknown`. */
export function typeOf(schema: Schema, depth = 0): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.anyOf) return schema.anyOf.map((part) => typeOf(part, depth)).join(" | ");
  switch (schema.type) {
    case "string":
    case "boolean":
    case "null":
      return schema.type;
    case "integer":
    case "number":
      return "number";
    case "array":
      return `Array<${typeOf(schema.items ?? {}, depth)}>`;
    case "object":
      return objectType(schema, depth);
  }
  throw new Error(`no TypeScript type for the schema ${JSON.stringify(schema)}`);
}

function objectType(schema: Schema, depth: number): string {
  const [pattern] = Object.values(schema.patternProperties ?? {});
  if (pattern) return `Record<string, ${typeOf(pattern, depth)}>`;
  const properties = Object.entries(schema.properties ?? {});
  if (properties.length === 0) return "{}";
  const indent = "  ".repeat(depth + 2);
  const lines = properties.map(([name, property]) => {
    const about = property.description ? `${indent}/** ${comment(property.description)} */\n` : "";
    const optional = schema.required?.includes(name) ? "" : "?";
    return `${about}${indent}${name}${optional}: ${typeOf(property, depth + 1)};\n`;
  });
  return `{\n${lines.join("")}${"  ".repeat(depth + 1)}}`;
}

function comment(text: string): string {
  return text.replaceAll("*/", "*\\/").replaceAll(/\s+/g, " ");
}
