/** When a request may be sent again, and after how long. */

/**
 * Refused before anything was done, so that repeating any method is safe. 503 is so by Neon's documentation; where a
 * Latchkey server cannot know whether a change was made, it answers 500.
 */
const NOTHING_DONE = new Set([423, 429, 503]);
/** A gateway lost the answer: what was asked may have been done. */
const ANSWER_LOST = new Set([502, 504]);
const IDEMPOTENT = new Set(["GET", "HEAD", "PUT", "DELETE"]);

const FIRST_DELAY_MS = 250;
/** A server that asks for more patience than this is reported to the caller instead. */
export const LONGEST_DELAY_MS = 30_000;

export function isRetryableStatus(method: string, status: number): boolean {
  return NOTHING_DONE.has(status) || (ANSWER_LOST.has(status) && IDEMPOTENT.has(method));
}

/** Whether what was asked may have been done although nobody says so. */
export function isAnswerLost(status: number): boolean {
  return ANSWER_LOST.has(status);
}

/** A lost connection says nothing about whether the request arrived. */
export function isRetryableAfterDisconnect(method: string): boolean {
  return IDEMPOTENT.has(method);
}

/** `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date. Undefined when absent or unreadable. */
export function parseRetryAfter(value: string | null, now_ms: number = Date.now()): number | undefined {
  if (value === null) return undefined;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now_ms);
}

/**
 * Delay before retry number `attempt` (from 1). Doubling, with jitter so that clients that failed together do
 * not return together; never less than the server asked for. Undefined: too long, give up.
 */
export function retryDelay(attempt: number, retry_after_ms: number | undefined): number | undefined {
  if (retry_after_ms !== undefined && retry_after_ms > LONGEST_DELAY_MS) return undefined;
  const backoff = FIRST_DELAY_MS * 2 ** (attempt - 1);
  return Math.max(retry_after_ms ?? 0, 0) + backoff * (0.5 + Math.random() / 2);
}

/** Waits; rejects with the signal's reason as soon as it is aborted. */
export function sleep(delay_ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, delay_ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
