import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A route of the Console, as its site map declares it. */
export interface DeclaredRoute {
  /** In full, with the names of its parameters: `/projects/$project_id/branches`. */
  readonly path: string;
  /** Addresses that it answers. */
  readonly pattern: RegExp;
  /** Shows a page; the others are frames of pages, or lead elsewhere. */
  readonly is_page: boolean;
  /** Sources of the page and of its frames, from the folder of the Console. */
  readonly modules: readonly string[];
}

const DECLARATION =
  /const (\w+) = createRoute\(\{\s*getParentRoute: \(\) => (\w+),\s*(path|id): "([^"]*)",([\s\S]*?)\n\}\);/g;

/** Reads them from the source: it is the only list that cannot be behind. */
export function readRoutes(): readonly DeclaredRoute[] {
  const source = readFileSync(join(import.meta.dirname, "../../console/src/routes.tsx"), "utf8");
  const known = new Map<string, Pick<DeclaredRoute, "path" | "modules">>([["root", { path: "", modules: [] }]]);
  const routes = [...source.matchAll(DECLARATION)].map(([, name = "", parent = "", kind, own = "", rest = ""]) => {
    const above = known.get(parent);
    if (above === undefined) throw new Error(`${name} comes before its parent ${parent}`);
    const path = kind === "id" ? above.path : join("/", above.path, own).replace(/(.)\/$/, "$1");
    const pattern = new RegExp(`^${path.replace(/\$\w+/g, "[^/]+")}$`);
    const module = /import\("\.\/(.+?)"\)/.exec(rest)?.[1];
    const modules = [...above.modules, ...(module === undefined ? [] : [`src/${module}`])];
    known.set(name, { path, modules });
    return { path, pattern, modules, is_page: module?.startsWith("pages/") ?? false };
  });
  if (routes.length !== source.split("createRoute(").length - 1) throw new Error("a route is declared in another way");
  return routes;
}
