import assert from "node:assert/strict";
import test from "node:test";
import { apiUrl } from "@latchkey/sdk";
import { chooseTarget, DEFAULT_HOST } from "./choose.ts";
import type { Credential, Profile } from "./profiles.ts";

const A = "https://a.example.com/api/v2";
const B = "https://b.example.com/api/v2";

const stored = {
  find: async (name: string): Promise<Profile | undefined> =>
    name === "DEFAULT" || name === "work"
      ? { host: A, type: "api_key", account: "", store: "file", created_at: "" }
      : undefined,
  credential: async (name: string): Promise<Credential | undefined> =>
    (await stored.find(name)) && { type: "api_key", host: A, api_key: `stored-${name}` },
};
const none = { find: async () => undefined, credential: async () => undefined };
const nothing = { host: undefined, profile: undefined, "api-key": undefined };

const choose = (
  global: Partial<typeof nothing | { host: string; profile: string; "api-key": string }>,
  environment: Record<string, string> = {},
  profiles: Parameters<typeof chooseTarget>[2] = stored,
) => chooseTarget({ ...nothing, ...global }, environment, profiles, (host) => apiUrl(host).href);

test("an option wins over the environment, and a key in the environment over a stored one", async () => {
  const environment = { NEON_API_KEY: "from-neon", LATCHKEY_URL: "https://b.example.com" };
  assert.deepEqual(await choose({}, environment), {
    host: B,
    api_key: "from-neon",
    source: "NEON_API_KEY",
    profile: "DEFAULT",
  });
  assert.equal((await choose({ "api-key": "given" }, environment)).api_key, "given");
  assert.equal((await choose({}, { ...environment, LATCHKEY_API_KEY: "ours" })).api_key, "ours");
  assert.equal((await choose({ profile: "work" }, { NEON_API_KEY: "from-neon" })).api_key, "stored-work");
  assert.equal((await choose({}, { LATCHKEY_PROFILE: "work" })).api_key, "stored-work");
  assert.equal((await choose({})).api_key, "stored-DEFAULT");
  assert.equal((await choose({}, { NEON_API_KEY: "" })).api_key, "stored-DEFAULT");
});

test("the server is named by option, by environment, by the profile, or is the local one", async () => {
  assert.equal((await choose({ host: "https://b.example.com" }, { LATCHKEY_URL: "https://c.example.com" })).host, B);
  assert.equal((await choose({}, { NEON_API_HOST: B }, none)).host, B);
  assert.equal((await choose({}, { LATCHKEY_URL: "https://b.example.com/", NEON_API_HOST: A }, none)).host, B);
  assert.equal((await choose({})).host, A);
  assert.equal((await choose({}, {}, none)).host, `${DEFAULT_HOST}/api/v2`);
  await assert.rejects(choose({ host: "nonsense" }), { kind: "usage" });
});

test("a stored credential is never sent to another server", async () => {
  const elsewhere = await choose({ host: "https://b.example.com" });
  assert.equal(elsewhere.api_key, undefined);
  assert.equal((await choose({}, { NEON_API_HOST: B })).api_key, undefined);
  await assert.rejects(choose({ host: "https://b.example.com", profile: "work" }), { kind: "not_signed_in" });
  // Even when the file that names the server has been edited: the secret carries its own.
  const edited = { ...stored, find: async () => ({ ...(await stored.find("work")), host: B }) as Profile };
  assert.equal((await choose({}, {}, edited)).api_key, undefined);
});

test("a key that was not stored never goes to the server of a profile", async () => {
  assert.equal((await choose({ "api-key": "given" })).host, `${DEFAULT_HOST}/api/v2`);
  assert.equal((await choose({}, { NEON_API_KEY: "k" })).host, `${DEFAULT_HOST}/api/v2`);
});

test("a key and a profile exclude each other, and a profile that is not there is told of", async () => {
  await assert.rejects(choose({ "api-key": "k", profile: "work" }), { kind: "usage" });
  await assert.rejects(choose({ profile: "gone" }), { kind: "not_signed_in" });
});
