import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import * as contract from "@latchkey/contract/users.ts";
import type { Principal } from "../access/principal.ts";
import { systemClock } from "../clock.ts";
import { createLog } from "../log.ts";
import { routeFromMemory } from "../route.ts";
import { memoryPath } from "./memory-path.ts";

const KEY: Principal = { kind: "organization", org_id: "org-a", api_key_id: 1 };

/** A server whose pipeline only says that it was asked. */
async function listen(t: { after(end: () => void): void }, run: (principal: Principal) => { account_id: string }) {
  const answer = memoryPath({
    routes: [
      routeFromMemory(contract.getAuthDetails, {
        action: "credential.read",
        run: (principal) => ({ ...run(principal), auth_method: "api_key_org" as const }),
      }),
    ],
    prefix: "/api/v2",
    authenticator: { recall: (authorization) => (authorization === "Bearer known" ? KEY : undefined) },
    headers: { "x-content-type-options": "nosniff" },
    originOf: () => ({ request_id: "r", address: "192.0.2.1", user_agent: "" }),
    clock: systemClock,
    log: createLog("silent"),
  });
  const server = createServer({ optimizeEmptyRequests: true }, (request, response) => {
    if (!answer(request, response)) response.writeHead(299).end("pipeline");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v2/auth`;
  return async (authorization?: string) =>
    (await fetch(url, { headers: authorization === undefined ? {} : { authorization } })).status;
}

test("a key that memory knows is answered; no key, and another one, are left to the pipeline", async (t) => {
  const ask = await listen(t, () => ({ account_id: "org-a" }));
  assert.deepEqual([await ask("Bearer known"), await ask("Bearer other"), await ask()], [200, 299, 299]);
});

test("a rule that fails is left to the pipeline, and the server goes on", async (t) => {
  let fails = true;
  const ask = await listen(t, () => {
    if (fails) throw new Error("of the rule");
    return { account_id: "org-a" };
  });
  assert.equal(await ask("Bearer known"), 299);
  fails = false;
  assert.equal(await ask("Bearer known"), 200);
});
