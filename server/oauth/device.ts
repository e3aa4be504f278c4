import { randomBytes, randomInt } from "node:crypto";
import type { Origin } from "../access/principal.ts";
import type { Tx } from "../db/pool.ts";
import { tokenDigest } from "../keys/token.ts";
import type { Parameters } from "./answer.ts";
import type { OAuthClient } from "./clients.ts";
import { OAUTH_PAGES } from "./metadata.ts";
import { grantedScope } from "./scope.ts";
import { insertDeviceRequest } from "./store.ts";
import { readDeviceName } from "./tokens.ts";

/** The device flow, RFC 8628: for machines without a browser. */

const LIFETIME_SECONDS = 600;
const INTERVAL_SECONDS = 5;
/** No vowels, so that no word comes out, and nothing that looks like something else (RFC 8628, 6.1). */
const LETTERS = "BCDFGHJKLMNPQRSTVWXZ";
const LENGTH = 8;

export interface DeviceAnswer {
  readonly device_code: string;
  readonly user_code: string;
  readonly verification_uri: string;
  readonly verification_uri_complete: string;
  readonly expires_in: number;
  readonly interval: number;
}

/** RFC 8628, 3.2. The device code is a secret of the machine; the user code opens nothing without a session. */
export async function beginDeviceRequest(
  tx: Tx,
  client: OAuthClient,
  parameters: Parameters,
  origin: Origin,
  public_url: string,
): Promise<DeviceAnswer> {
  const device_code = randomBytes(32).toString("base64url");
  const request = {
    device_code_digest: tokenDigest(device_code),
    client_id: client.id,
    scope: grantedScope(parameters.scope),
    device_name: readDeviceName(parameters.device_name),
    address: origin.address,
    user_agent: origin.user_agent.slice(0, 256),
    interval_seconds: INTERVAL_SECONDS,
  };
  let user_code = newUserCode();
  // Of 25 thousand million codes two are rarely the same.
  while (!(await insertDeviceRequest(tx, { ...request, user_code }, LIFETIME_SECONDS))) user_code = newUserCode();
  const shown = showUserCode(user_code);
  const verification_uri = public_url + OAUTH_PAGES.device;
  return {
    device_code,
    user_code: shown,
    verification_uri,
    verification_uri_complete: `${verification_uri}?user_code=${shown}`,
    expires_in: LIFETIME_SECONDS,
    interval: INTERVAL_SECONDS,
  };
}

function newUserCode(): string {
  return Array.from({ length: LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join("");
}

/** As it is shown: two groups, easier to compare. */
export function showUserCode(user_code: string): string {
  return `${user_code.slice(0, 4)}-${user_code.slice(4)}`;
}

/** As it is stored, from what a person typed. */
export function readUserCode(typed: string): string {
  return typed.replace("-", "").toUpperCase();
}
