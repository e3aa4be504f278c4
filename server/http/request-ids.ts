import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";

const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;
/** A token in the wrong header must not reach the log as a request id, not even a part of one. */
const TOKEN_PREFIX = /lk_[a-z]+_/;

const BYTES = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/**
 * Names requests: as the sender does in `X-Request-Id`, where that is a fit name, or else by UUIDs of version 8
 * (RFC 9562, 5.8), random for the process and counted within it. Each drawn anew would cost more than a key's look-up.
 */
export function requestIds(): (request: IncomingMessage) => string {
  const random = randomUUID();
  const head = `${random.slice(0, 14)}8${random.slice(15, 24)}`;
  let count = 0;
  /** All but the last two digits. */
  let block = "";
  return ({ headers }) => {
    const given = headers["x-request-id"];
    if (typeof given === "string" && REQUEST_ID.test(given) && !TOKEN_PREFIX.test(given)) return given;
    const last = count % 256;
    if (last === 0) block = head + (count / 256).toString(16).padStart(10, "0");
    count++;
    return block + BYTES[last];
  };
}
