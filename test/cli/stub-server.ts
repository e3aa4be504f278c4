import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

/** Shaped like a person's key. */
export const STUB_KEY = `lk_user_${"a".repeat(49)}`;

export interface StubRequest {
  readonly method: string;
  /** Below `/api/v2`, without its query. */
  readonly path: string;
  readonly query: URLSearchParams;
}

/** Status and body; undefined is 404. */
export type StubAnswer = readonly [status: number, body: unknown] | undefined;

/** A server that answers as told, for what a real one cannot be made to say at will. */
export async function serveStub(t: TestContext, answer: (request: StubRequest) => StubAnswer) {
  const requests: string[] = [];
  const server = createServer((message: IncomingMessage, response) => {
    const { pathname, searchParams: query } = new URL(message.url ?? "", "http://stub");
    const request = { method: message.method ?? "", path: pathname.replace(/^\/api\/v2/, ""), query };
    requests.push(`${request.method} ${request.path}`);
    const missing = { request_id: "r-1", code: "NOT_FOUND", message: `the stub has no ${request.path}` };
    const [status, body] = answer(request) ?? [404, missing];
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { env: { NEON_API_KEY: STUB_KEY, LATCHKEY_URL: url }, requests };
}
