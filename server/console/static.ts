import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

/**
 * Serves the built Console: static files and nothing else. It knows no person, no key and no route of the
 * API; what the Console may do is decided by the API it calls.
 */
export interface ConsoleDeps {
  /** The folder that `vite build` wrote. */
  readonly dist: string;
}

/** Vite puts a hash of the content into these names, so that a name never changes its content. */
const HASHED_PREFIX = "/assets/";
const FOREVER = "public, max-age=31536000, immutable";
/** Kept, and asked about each time: a new release is seen on the next visit. */
const ASK_FIRST = "no-cache";

/** Paths that belong to machines; a wrong one is answered as an error and never with a page. */
const NOT_PAGES = /^\/(api|docs|metrics|healthz|readyz|openapi\.json|assets|oauth2|\.well-known)(\/|$)/;

/**
 * Registers the Console's files and, for every other GET of a page, its `index.html`: the page's own router
 * reads the path. Call it after all other routes. Without a build it registers a page that says how to make one.
 */
export async function registerConsole(app: FastifyInstance, { dist }: ConsoleDeps): Promise<void> {
  const index = join(dist, "index.html");
  const built = existsSync(index);
  if (built) {
    await app.register(fastifyStatic, {
      root: dist,
      prefix: "/",
      index: false,
      wildcard: false,
      cacheControl: false,
      decorateReply: false,
      // Written by the build beside each file, as small as they get; compressing per request would cost time.
      preCompressed: true,
      setHeaders: (reply, path) => {
        const hashed = path.slice(dist.length).replaceAll("\\", "/").startsWith(HASHED_PREFIX);
        reply.header("cache-control", hashed ? FOREVER : ASK_FIRST);
      },
    });
  }
  const html = built ? await readFile(index, "utf8") : NOT_BUILT;
  const page = async (request: FastifyRequest, reply: FastifyReply) => {
    // Not a page: the application's own not-found handler answers, in the words of the API.
    // As the router has read it: not every path that a request may have is one that an address can be made of.
    const path = `/${(request.params as { readonly "*"?: string })["*"] ?? ""}`;
    if (NOT_PAGES.test(path) || !(path === "/" || asksForPage(request))) return reply.callNotFound();
    return reply.type("text/html; charset=utf-8").header("cache-control", ASK_FIRST).send(html);
  };
  for (const url of ["/", "/*"]) app.route({ method: ["GET", "HEAD"], url, handler: page });
}

/** Browsers name HTML when they go to a page; a program that mistyped a path wants an error it can read. */
function asksForPage({ headers }: FastifyRequest): boolean {
  return headers.accept?.includes("text/html") ?? false;
}

const NOT_BUILT = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Latchkey</title>
<h1>The Console has not been built</h1>
<p>Run <code>npm run build --workspace console</code> and start the server again. The API is at /api/v2 all the same.</p>
</html>
`;
