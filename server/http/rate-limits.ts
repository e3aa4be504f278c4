import type { Principal } from "../access/principal.ts";
import type { Clock } from "../clock.ts";
import type { RateLimits as Figures } from "../config.ts";
import { ApiError } from "../errors.ts";
import type { Metrics } from "../log.ts";

/** Counters kept at most; when there are more, those begun first are forgotten. */
const MOST_BUCKETS = 100_000;

interface Bucket {
  left: number;
  at_ms: number;
}

/**
 * Limits how often one key or login, and one organization or person through all of them, may call: as at Neon,
 * an average per minute and a burst per second on each route. Counted by each node for itself, so that it
 * costs no message; several nodes let through several times as much. Sessions of the Console are not limited.
 */
export class RateLimits {
  readonly #figures: Figures;
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #buckets = new Map<string, Bucket>();

  constructor(figures: Figures, clock: Clock, metrics: Metrics) {
    this.#figures = figures;
    this.#clock = clock;
    this.#metrics = metrics;
  }

  /** Counts a request, or throws 429 and says when to come again. */
  count(principal: Principal, route_id: string): void {
    const credential = credentialOf(principal);
    if (credential === undefined || principal.kind === "anonymous") return;
    const { per_minute, per_second, key_creations_per_second } = this.#figures;
    const owner = principal.kind === "person" ? principal.user_id : principal.org_id;
    if (route_id === "createOrgApiKey") this.#take("key_creation", `${owner}/new`, key_creations_per_second, 1);
    this.#take("burst", `${owner}/${route_id}`, per_second, 1);
    this.#take("key", credential, per_minute, 60);
    this.#take("owner", owner, per_minute, 60);
  }

  #take(limit: string, name: string, most: number, seconds: number): void {
    const now = this.#clock.monotonic_ms();
    const bucket = this.#buckets.get(name);
    const per_ms = most / (seconds * 1000);
    const left = bucket ? Math.min(most, bucket.left + (now - bucket.at_ms) * per_ms) : most;
    if (left < 1) {
      this.#metrics.rate_limited.inc({ limit });
      const wait_s = Math.max(1, Math.ceil((1 - left) / per_ms / 1000));
      throw new ApiError("rate_limited", undefined, { headers: { "retry-after": String(wait_s) } });
    }
    if (bucket) {
      bucket.left = left - 1;
      bucket.at_ms = now;
      return;
    }
    if (this.#buckets.size >= MOST_BUCKETS) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    this.#buckets.set(name, { left: left - 1, at_ms: now });
  }
}

/** What is limited by itself: a key, or a login through the browser whichever of its tokens it uses. */
function credentialOf(principal: Principal): string | undefined {
  if (principal.kind === "anonymous") return undefined;
  if (principal.api_key_id !== undefined) return `key:${principal.api_key_id}`;
  if (principal.kind === "person" && principal.oauth_grant_id !== undefined) return `login:${principal.oauth_grant_id}`;
  return undefined;
}
