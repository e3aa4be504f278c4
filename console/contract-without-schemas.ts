import { join, sep } from "node:path";
import type { Plugin } from "vite";

const CONTRACT = join(import.meta.dirname, "../contract") + sep;

/**
 * Gives the browser the contract's routes without their schemas. A client needs to know where a call goes;
 * the schemas (and with them the schema library, 20 kB) serve validation, which is the server's. Types are
 * not touched: they come from the source. Of a body stay the lengths of its texts, for the limits that forms state.
 */
export function contractWithoutSchemas(): Plugin {
  return {
    name: "contract-without-schemas",
    enforce: "pre",
    async load(id) {
      if (!id.startsWith(CONTRACT) || !id.endsWith(".ts")) return null;
      const module: Record<string, unknown> = await import(id);
      const routes = Object.entries(module).filter(([, value]) => isRoute(value));
      return routes
        .map(([name, route]) => `export const ${name} = ${JSON.stringify(slim(route as object))};`)
        .join("\n");
    },
  };
}

function isRoute(value: unknown): boolean {
  return typeof value === "object" && value !== null && "method" in value && "path" in value;
}

function slim(route: object): object {
  const { response, params, query, summary, description, tag, body, ...kept } = route as Record<string, unknown>;
  return body === undefined ? kept : { ...kept, body: lengthsOf(body as Schema) };
}

interface Schema {
  readonly maxLength?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
}

/** The schema without all but its shape and the greatest lengths. */
function lengthsOf({ maxLength, properties }: Schema): Schema {
  const within = Object.entries(properties ?? {}).map(([name, schema]) => [name, lengthsOf(schema)] as const);
  const told = within.filter(([, schema]) => Object.keys(schema).length > 0);
  return {
    ...(maxLength === undefined ? {} : { maxLength }),
    ...(told.length === 0 ? {} : { properties: Object.fromEntries(told) }),
  };
}
