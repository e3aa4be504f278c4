import { pathToFileURL } from "node:url";
import type { RouteContract } from "@latchkey/contract/route.ts";
import type { Plugin } from "esbuild";

/**
 * For esbuild: gives a bundle the contract's routes without their schemas, and so without the schema library,
 * which would be most of the bundle and serves the server's validation only.
 */
export function contractWithoutSchemas(withoutSchemas: (route: RouteContract) => object): Plugin {
  return {
    name: "contract-without-schemas",
    setup(build) {
      build.onLoad({ filter: /[\\/]contract[\\/][a-z-]+\.ts$/ }, async ({ path }) => {
        const module: Record<string, unknown> = await import(pathToFileURL(path).href);
        const lines = Object.entries(module)
          .filter(([, value]) => typeof value === "object" && value !== null && "method" in value && "path" in value)
          .map(([name, route]) => `export const ${name} = ${JSON.stringify(withoutSchemas(route as RouteContract))};`);
        return { contents: lines.join("\n"), loader: "js" };
      });
    },
  };
}
