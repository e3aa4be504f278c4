import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import type { TestServer } from "./server.ts";

/** A change that the server has taken and that lacks its body; who is told to go on knows that. */
export async function holdBack(server: TestServer, path: string, given: object, credential: Record<string, string>) {
  const body = JSON.stringify(given);
  const headers = {
    ...credential,
    "content-type": "application/json",
    "content-length": body.length,
    expect: "100-continue",
  };
  const sent = request(server.api + path, { method: "POST", agent: false, headers });
  const answer = once(sent, "response").then(async ([response]: IncomingMessage[]) => {
    const { statusCode, headers } = response as IncomingMessage;
    let text = "";
    for await (const chunk of response as IncomingMessage) text += chunk;
    return { status: statusCode, connection: headers.connection, challenge: headers["www-authenticate"], text };
  });
  sent.flushHeaders();
  await Promise.race([once(sent, "continue"), answer]);
  return { finish: () => sent.end(body), answer };
}
