import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { Fetch } from "@latchkey/sdk";

/**
 * As much of `fetch` as the SDK uses, on Node's own HTTP client: loading the built-in `fetch` takes longer
 * than all else that a command does, above all on Node 20. It follows no redirect and sends no cookie.
 */
export const fetchOverHttp: Fetch = (url, { method, headers, body, signal }) =>
  new Promise((resolve, reject) => {
    const send = url.protocol === "https:" ? requestHttps : requestHttp;
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
    const request = send(url, { method, headers: { ...headers, ...length }, signal, agent: false }, (response) => {
      // An answer that breaks off is an error of whoever reads it, below.
      const read = new Promise<string>((done, fail) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.once("end", () => done(text));
        response.once("error", fail);
      });
      read.catch(() => {});
      const status = response.statusCode ?? 0;
      const received = Object.entries(response.headers).map(([name, value]): [string, string] => [name, String(value)]);
      resolve({
        status,
        ok: status >= 200 && status <= 299,
        type: "basic",
        statusText: response.statusMessage ?? "",
        headers: {
          get: (name) => received.find(([known]) => known === name.toLowerCase())?.[1] ?? null,
          [Symbol.iterator]: () => received[Symbol.iterator](),
        },
        text: () => read,
      });
    });
    request.once("error", reject);
    request.end(body);
  });
