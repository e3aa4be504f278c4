import type { IncomingHttpHeaders } from "node:http";
import { ApiError } from "../errors.ts";

/**
 * Refuses a change that another site made a browser send (cross-site request forgery). Browsers state the
 * page's origin on every such request; it must be the host that the request itself was sent to, or the
 * configured one where a proxy rewrites `Host`. Programs do not send `Origin`, and they carry no session
 * cookie of a victim, so a request without any of these headers is let through.
 */
export function checkSameOrigin(headers: IncomingHttpHeaders, public_url: string): void {
  const { origin, host } = headers;
  if (origin !== undefined) {
    if (origin === public_url || (URL.canParse(origin) && new URL(origin).host === host)) return;
    throw new ApiError("forbidden", `a request from another site was refused; open the Console at ${public_url}`);
  }
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none") {
    throw new ApiError("forbidden", "a request from another site was refused");
  }
}
