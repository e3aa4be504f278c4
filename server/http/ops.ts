import { createHash, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { isIPv4 } from "node:net";
import { dirname, join } from "node:path";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { ApiError } from "../errors.ts";
import type { Metrics } from "../log.ts";

/** What machines and newcomers ask of a server: is it alive, is it ready, what are its figures, what is its API. */
export interface OpsDeps {
  readonly metrics: Metrics;
  /** The figures as text; by default this process's own. Several workers tell theirs together. */
  readonly readMetrics?: (() => Promise<string>) | undefined;
  /** The processes on this database, for an administrator. */
  readonly listNodes: () => Promise<readonly object[]>;
  /** The data directories on this database, and what lies on them. */
  readonly listDataNodes: () => Promise<readonly object[]>;
  readonly metrics_token: string | undefined;
  readonly openapi: object;
  /** Whether a request would be served now; false or a rejection makes `/readyz` answer 503. */
  readonly isReady: () => Promise<boolean>;
}

export async function registerOps(app: FastifyInstance, deps: OpsDeps): Promise<void> {
  // Some that watch a server ask by HEAD.
  const method = ["GET", "HEAD"];
  app.route({ method, url: "/healthz", handler: async () => ({ status: "ok" }) });

  app.route({
    method,
    url: "/readyz",
    handler: async () => {
      const ready = await deps.isReady().catch((cause) => {
        throw new ApiError("unavailable", "the database does not answer", { cause });
      });
      if (!ready) throw new ApiError("unavailable", "starting or stopping");
      return { status: "ready" };
    },
  });

  app.get("/metrics", async (request, reply) => {
    if (!mayReadMetrics(request, deps.metrics_token)) {
      throw new ApiError(
        "unauthenticated",
        "metrics are for this machine, or with LATCHKEY_METRICS_TOKEN as bearer token",
      );
    }
    return reply
      .type(deps.metrics.registry.contentType)
      .send(await (deps.readMetrics?.() ?? deps.metrics.registry.metrics()));
  });

  app.get("/nodes", async (request) => {
    if (!mayReadMetrics(request, deps.metrics_token)) {
      throw new ApiError("unauthenticated", "the nodes are told where the metrics are");
    }
    return { nodes: await deps.listNodes(), data_nodes: await deps.listDataNodes() };
  });

  app.get("/openapi.json", async () => deps.openapi);

  await registerReference(app);
}

/** The API's reference page; its library's files are served from here, so it works without the Internet. */
async function registerReference(app: FastifyInstance): Promise<void> {
  await app.register(fastifyStatic, {
    root: dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json")),
    prefix: "/docs/assets/",
    index: false,
    decorateReply: false,
    allowedPath: (path) => /\/(swagger-ui-bundle\.js|swagger-ui\.css|favicon-32x32\.png)$/.test(path),
  });
  for (const [url, file, type] of [
    ["/docs", "index.html", "text/html; charset=utf-8"],
    ["/docs/", "index.html", "text/html; charset=utf-8"],
    ["/docs/start.js", "start.js", "text/javascript; charset=utf-8"],
  ] as const) {
    const content = await readFile(join(import.meta.dirname, "docs", file));
    app.get(url, async (_request, reply) => reply.type(type).send(content));
  }
}

const PROXY_HEADERS = ["x-forwarded-for", "forwarded", "x-real-ip", "via"];

/**
 * The socket's own address counts, never a forwarded one, and a request that came through a proxy is not
 * from this machine even when the proxy is.
 */
function mayReadMetrics(request: FastifyRequest, token: string | undefined): boolean {
  const given = /^Bearer (\S+)$/.exec(request.headers.authorization ?? "")?.[1];
  if (token !== undefined && given !== undefined) return timingSafeEqual(digest(given), digest(token));
  const proxied = PROXY_HEADERS.some((name) => request.headers[name] !== undefined);
  return isLoopback(request.socket.remoteAddress ?? "") && !proxied;
}

/** Equal lengths for the comparison, whatever was given. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function isLoopback(address: string): boolean {
  const plain = address.replace(/^::ffff:/, "");
  return plain === "::1" || (isIPv4(plain) && plain.startsWith("127."));
}
