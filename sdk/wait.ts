import { OperationError } from "./error.ts";
import { sleep } from "./retry.ts";
import { readJson, type Transport } from "./transport.ts";

/** What must be known of an operation to wait for it; answers that start slow work carry these. */
export interface WaitedOperation {
  readonly id: string;
  readonly project_id: string;
  readonly action: string;
  readonly status: string;
  readonly error?: string | undefined;
}

export interface WaitOptions {
  /** Give up after this long; the operations themselves go on. Default five minutes. */
  readonly timeout_ms?: number;
  readonly signal?: AbortSignal;
  /** Told whenever the status of one of them has changed. */
  readonly onChange?: (operation: WaitedOperation) => void;
}

const DEFAULT_TIMEOUT_MS = 300_000;
const FIRST_POLL_MS = 50;
const SLOWEST_POLL_MS = 1_000;

/** Neon's SDK divides them so: `skipped` is a success, there was nothing to do. */
const SUCCEEDED = new Set(["finished", "skipped"]);
/** `cancelling` is not one of them, unlike there: what is being given up is still under way, and may yet finish. */
const FAILED = new Set(["failed", "error", "cancelled"]);

/** Polls, quickly at first and then ever more slowly, since most operations take less than a second. */
export async function waitForOperations<Op extends WaitedOperation>(
  transport: Pick<Transport, "send">,
  operations: readonly Op[],
  options: WaitOptions = {},
): Promise<Op[]> {
  const deadline = performance.now() + (options.timeout_ms ?? DEFAULT_TIMEOUT_MS);
  const latest = [...operations];
  for (let delay_ms = FIRST_POLL_MS; ; delay_ms = Math.min(delay_ms * 1.5, SLOWEST_POLL_MS)) {
    for (const [index, known] of latest.entries()) {
      if (SUCCEEDED.has(known.status)) continue;
      const path = `/projects/${encodeURIComponent(known.project_id)}/operations/${encodeURIComponent(known.id)}`;
      const answer = await transport.send({ method: "GET", path, signal: options.signal });
      const { operation } = readJson(answer) as { operation: Op };
      if (operation.status !== known.status) options.onChange?.(operation);
      latest[index] = operation;
      if (!FAILED.has(operation.status)) continue;
      const why = operation.error ? `: ${operation.error}` : "";
      throw new OperationError(`the operation ${operation.action} ended as ${operation.status}${why}`, operation);
    }
    const waiting = latest.find(({ status }) => !SUCCEEDED.has(status));
    if (!waiting) return latest;
    const left_ms = deadline - performance.now();
    if (left_ms <= 0) {
      throw new OperationError(
        `the operation ${waiting.action} is still ${waiting.status}; it goes on without us`,
        waiting,
      );
    }
    await sleep(Math.min(delay_ms, left_ms), options.signal);
  }
}
