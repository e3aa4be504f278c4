import { join, sep } from "node:path";
import type { Plugin } from "vite";

const CONTRACT = join(import.meta.dirname, "../contract") + sep;

/**
 * Gives the browser the contract's routes without their schemas. A client needs to know where a call goes;
 * the schemas (and with them the schema library, 20 kB) serve validation, which is the server's. Types are
 * not touched: they come from the source. Body schemas stay, as plain JSON, for the limits that forms state.
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
  const { response, params, query, summary, description, tag, ...kept } = route as Record<string, unknown>;
  return kept;
}
