import { readFileSync } from "node:fs";
import { connect } from "node:net";

/**
 * The load: some keep-alive connections that each carry one request at a time, with the tokens of a file in
 * turn. A process of its own on a core of its own, as thin as can be: what it cannot offer is not measured.
 * A second file makes as many connections more beside them, which are not measured: one process for both, since two
 * would measure how they share their core.
 *
 * Prints one line of JSON: requests answered 200, others, and the quantiles of their latency.
 */
const [port = "0", path = "/", tokens_file = "", connections = "64", seconds = "5", order = "round", beside_file = ""] =
  process.argv.slice(2);
const BESIDE_CONNECTIONS = 64;
const HEAD = `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n`;

/** Requests with the tokens of a file: all of one length, one a line. */
function requestsOf(file: string, order: string): () => string {
  const tokens = readFileSync(file, "latin1");
  const stride = tokens.indexOf("\n") + 1;
  const count = tokens.length / stride;
  let next = 0;
  if (order === "once") last = count;
  return () => {
    const at = (order === "random" ? Math.floor(Math.random() * count) : next++ % count) * stride;
    return `${HEAD}authorization: Bearer ${tokens.slice(at, at + stride - 1)}\r\n\r\n`;
  };
}

/** Latencies in steps of 10 µs up to a second. */
const histogram = new Uint32Array(100_000);
let good = 0;
let other = 0;
let lost = 0;
let measuring = false;
let over = false;
/** Answers after which it ends before its time: each token was used once. */
let last = Number.POSITIVE_INFINITY;

function open(request: () => string, is_measured: boolean): void {
  const socket = connect(Number(port), "127.0.0.1");
  socket.setNoDelay(true);
  socket.setEncoding("latin1");
  let sent_ms = 0;
  let text = "";
  let missing = 0;
  const send = () => {
    if (over) {
      socket.destroy();
      return;
    }
    sent_ms = performance.now();
    socket.write(request(), "latin1");
  };
  socket.on("connect", send);
  socket.on("data", (chunk: string) => {
    if (missing > 0) {
      missing -= chunk.length;
      if (missing > 0) return;
    } else {
      text += chunk;
      const head = text.indexOf("\r\n\r\n");
      if (head < 0) return;
      const at = text.indexOf("ontent-") >= 0 ? text.search(/content-length: /i) : -1;
      const length = at < 0 ? 0 : Number.parseInt(text.slice(at + 16, at + 24), 10);
      missing = head + 4 + length - text.length;
      if (measuring && is_measured) count_(text.charCodeAt(9) === 0x32, performance.now() - sent_ms);
      text = "";
      if (missing > 0) return;
    }
    missing = 0;
    send();
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    if (over) return;
    if (is_measured) lost++;
    setTimeout(open, 10, request, is_measured);
  });
}

function count_(is_good: boolean, took_ms: number): void {
  if (is_good) good++;
  else other++;
  const slot = Math.min(histogram.length - 1, Math.floor(took_ms * 100));
  histogram[slot] = (histogram[slot] ?? 0) + 1;
  if (good + other >= last) end();
}

let began_ms = 0;
function end(): void {
  if (over) return;
  measuring = false;
  over = true;
  const took_s = (performance.now() - began_ms) / 1000;
  process.stdout.write(
    `${JSON.stringify({ good, other, lost, per_second: (good + other) / took_s, p50_ms: quantile(0.5), p99_ms: quantile(0.99) })}\n`,
    () => process.exit(0),
  );
}

function quantile(q: number): number {
  const target = (good + other) * q;
  let sum = 0;
  for (let slot = 0; slot < histogram.length; slot++) {
    sum += histogram[slot] ?? 0;
    if (sum >= target) return (slot + 0.5) / 100;
  }
  return Number.NaN;
}

/**
 * Never sleeps: to wake a sleeping core costs the one who wakes it several microseconds on a virtual machine, and a
 * server a little slower than another would be charged that with nearly each answer, the other with hardly any. Not with a
 * single connection: that waits for a database, which may have been put on this very core and would wait for its turn on it.
 */
function stayAwake(): void {
  if (!over) setImmediate(stayAwake);
}

if (Number(connections) > 1) stayAwake();
const request = requestsOf(tokens_file, order);
for (let i = 0; i < Number(connections); i++) open(request, true);
if (beside_file !== "") {
  const beside = requestsOf(beside_file, "random");
  for (let i = 0; i < BESIDE_CONNECTIONS; i++) open(beside, false);
}
// A parent that measures itself says when; otherwise a moment is for warming up.
setTimeout(
  () => {
    measuring = true;
    process.stdout.write("begin\n");
    began_ms = performance.now();
    setTimeout(end, Number(seconds) * 1000);
  },
  order === "once" ? 0 : 500,
);
