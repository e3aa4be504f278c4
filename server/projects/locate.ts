import type { Principal } from "../access/principal.ts";
import { ApiError } from "../errors.ts";

/**
 * The organization that a request names, else the one that its key belongs to. A person may belong to
 * several, and Neon does not guess, even for one who belongs to a single one: its CLI looks for these words.
 */
export function locateOrganization(principal: Principal, org_id: string | undefined): string {
  if (org_id !== undefined) return org_id;
  if ("org_id" in principal) return principal.org_id;
  throw new ApiError("bad_request", "org_id is required, you can find it on your organization settings page");
}
