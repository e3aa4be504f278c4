import { ApiError } from "../errors.ts";

/**
 * The refusal of what has no route: it names the service that is not there. Neon's clients take "not available" for one
 * that is not switched on and go on without it. An answered list, be it empty, they take for one that is: `neon env pull`
 * would then ask for its credentials. So a service that is not offered has no lists either.
 */
interface Service {
  readonly path: RegExp;
  readonly name: string;
  /** For clients to read, where Neon's document has such a field. */
  readonly reason?: string;
}

const SERVICES: readonly Service[] = [
  { path: /^\/projects\/[^/]+\/branches\/[^/]+\/storage$/, name: "object storage", reason: "region_unavailable" },
  { path: /^\/projects\/[^/]+\/branches\/[^/]+\/ai_gateway$/, name: "AI gateway", reason: "ai_gateway_unavailable" },
  { path: /^\/projects\/[^/]+\/branches\/[^/]+\/buckets(\/|$)/, name: "object storage" },
  { path: /^\/projects\/[^/]+\/branches\/[^/]+\/functions(\/|$)/, name: "platform functions" },
  { path: /^\/projects\/[^/]+\/branches\/[^/]+\/credentials(\/|$)/, name: "platform credentials" },
  { path: /^\/projects\/[^/]+\/branches\/[^/]+\/data-api\//, name: "Data API" },
  { path: /^\/projects\/([^/]+\/(branches\/[^/]+\/)?)?auth(\/|$)/, name: "Neon Auth" },
  { path: /^\/projects\/[^/]+\/(branches\/[^/]+\/)?(snapshots?|backup_schedule)(\/|$)/, name: "snapshots" },
];

/** `path` is what follows the API's prefix. */
export function notOffered(path: string): ApiError {
  const { name = "this operation is", reason } = SERVICES.find((service) => service.path.test(path)) ?? {};
  const fields = reason === undefined ? {} : { reason };
  return new ApiError("not_found", `${name} not available in Latchkey`, { fields });
}
