import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Origin } from "../access/principal.ts";
import { originOf } from "./pipeline.ts";

/**
 * Routes whose form somebody else's standard prescribes: where they are, what they take, how they say no. They
 * are outside the API and its pipeline. No cookie reaches them, so no browser can be made to use them for
 * whoever is signed in.
 */
export interface StandardRoute {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly run: (request: StandardRequest) => Promise<StandardAnswer>;
  /** The body of a refusal for what is no proper request at all. */
  readonly refuse?: (message: string) => object;
}

export interface StandardRequest {
  readonly query: URLSearchParams;
  /** Empty for a GET. */
  readonly form: URLSearchParams;
  readonly authorization: string | undefined;
  readonly origin: Origin;
}

export interface StandardAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
}

const FORM = "application/x-www-form-urlencoded";
const FORM_LIMIT_BYTES = 16 * 1024;

/** In a context of their own: a form must never become a body that the API takes, which sites can make browsers send. */
export async function registerStandardRoutes(app: FastifyInstance, routes: readonly StandardRoute[]): Promise<void> {
  await app.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(FORM, { parseAs: "string" }, (_request, body, parsed) => {
      parsed(null, new URLSearchParams(body as string));
    });
    for (const route of routes) register(scope, route);
    done();
  });
}

function register(scope: FastifyInstance, { method, path, run, refuse }: StandardRoute): void {
  scope.route({
    method,
    url: path,
    bodyLimit: FORM_LIMIT_BYTES,
    handler: async (request: FastifyRequest, reply: FastifyReply) => {
      const {
        status,
        headers = {},
        body,
      } = await run({
        // Not by `URL`, which not every request's target is one for.
        query: new URLSearchParams(/\?(.*)$/s.exec(request.url)?.[1]),
        form: request.body instanceof URLSearchParams ? request.body : new URLSearchParams(),
        authorization: request.headers.authorization,
        origin: originOf(request),
      });
      reply.code(status).headers({ "cache-control": "no-store", pragma: "no-cache", ...headers });
      return body === undefined
        ? reply.send()
        : reply.type("application/json; charset=utf-8").send(JSON.stringify(body));
    },
    ...(refuse
      ? {
          errorHandler: (error: FastifyError, _request: FastifyRequest, reply: FastifyReply) => {
            // Ours to report, by the application's own handler.
            if (error.statusCode === undefined || error.statusCode >= 500) throw error;
            const body = refuse(`send the parameters as ${FORM}`);
            reply.code(400).header("cache-control", "no-store").type("application/json; charset=utf-8");
            reply.send(JSON.stringify(body));
          },
        }
      : {}),
  });
}
