import { registerHooks } from "node:module";
import type { OpenKeys } from "./node.ts";

/**
 * The safety rules of the code, each with the line that keeps it and what the line becomes without the rule. The
 * real source is loaded once more with that one text replaced, so what is shown is that this very line matters.
 *
 * Three rules are not among them, for some 350 seeds did not show what they prevent: that a lease counts from before its renewal
 * was sent and that a revocation decides by a look sent after its commit, which the model of `test/model/` shows, and
 * that another server is a reason to forget.
 */
export interface Mutation {
  /** From the root of the repository. */
  readonly file: string;
  readonly line: string;
  readonly without: string;
  /** Where a violation was first found: so near the search begins, and goes on. */
  readonly seed: number;
}

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  "the row is extended before changes are read": {
    seed: 140,
    file: "server/nodes/lease.ts",
    line: "await database.extendLease(client, this.id, ++this.#renewals, this.#applied, description);",
    without:
      "await this.#hear(client); await database.extendLease(client, this.id, ++this.#renewals, this.#applied, description); if (Date) { this.#held_until_ms = sent_ms + HELD_MS; this.#held_until_wall_ms = sent_wall_ms + HELD_MS; await peers.look(client); return; }",
  },
  "the lease counts only when the changes read have been applied": {
    seed: 1,
    file: "server/nodes/lease.ts",
    line: "this.#renew_at_ms = sent_ms + RENEW_EVERY_MS;",
    without:
      "this.#renew_at_ms = sent_ms + RENEW_EVERY_MS; this.#held_until_ms = sent_ms + HELD_MS; this.#held_until_wall_ms = sent_wall_ms + HELD_MS;",
  },
  "the node's lease is shorter than the revoker's by the drift of clocks": {
    seed: 42,
    file: "server/nodes/lease.ts",
    line: "export const HELD_MS = 1_800;",
    without: "export const HELD_MS = 2_000;",
  },
  "the wall clock must agree, for a machine may sleep": {
    seed: 15,
    file: "server/nodes/lease.ts",
    line: "return at.monotonic_ms < this.#held_until_ms && at.now_ms < this.#held_until_wall_ms;",
    without: "return at.monotonic_ms < this.#held_until_ms;",
  },
  "changes are acknowledged after they have been applied": {
    seed: 2,
    file: "server/nodes/lease.ts",
    line: "for (const change of changes) {",
    without:
      "const last = changes.at(-1); if (last) await this.#deps.database.acknowledge(client, this.id, last); for (const change of changes) {",
  },
  "a place is compared by its nonce": {
    seed: 212,
    file: "server/nodes/lease.ts",
    line: "if (present?.revision !== from.revision || present.nonce !== from.nonce) {",
    without: "if (present?.revision !== from.revision) {",
  },
  "first the place is read, then everything is forgotten": {
    seed: 1,
    file: "server/nodes/lease.ts",
    line: "const head = await database.readHead(client);\n    memory.dropEverything();",
    without: "memory.dropEverything();\n    const head = await database.readHead(client);",
  },
  "a node that leaves gives up its lease first": {
    seed: 21,
    file: "server/nodes/lease.ts",
    line: "this.#drop();\n    try {",
    without: "this.#held_until_ms = this.#deps.clock.monotonic_ms() + HELD_MS;\n    try {",
  },
  "memory is asked only under the lease": {
    seed: 2,
    file: "server/keys/verifier.ts",
    line: "if (!isLeaseHeld()) {",
    without: "if (!isLeaseHeld) {",
  },
  "a revocation waits for nodes that have not acknowledged": {
    seed: 1,
    file: "server/nodes/peers.ts",
    line: "if (open.waiting === 0) {",
    without: "if (open.waiting >= 0) {",
  },
  "a lapse is counted from the last renewal that was seen": {
    seed: 2,
    file: "server/nodes/peers.ts",
    line: "const unchanged = known?.row.renewals === row.renewals;",
    without: "const unchanged = known !== undefined;",
  },
  "a lapse is counted from after the row was read": {
    seed: 54,
    file: "server/nodes/peers.ts",
    line: "const rows = await this.#database.readNodes(client);\n    const at_ms = this.#clock.monotonic_ms();",
    without: "const at_ms = this.#clock.monotonic_ms();\n    const rows = await this.#database.readNodes(client);",
  },
  "the row of a node that may hold its lease is not cleared away": {
    seed: 1,
    file: "server/nodes/peers.ts",
    line: "if (now - since_ms > CLEAR_AFTER_MS)",
    without: "if (now - since_ms >= 0)",
  },
  "the fence is read before the query is sent": {
    seed: 1,
    file: "server/keys/look-ups.ts",
    line: "memory.fill(digestFromBytes(digest), found[i], fence);",
    without: "memory.fill(digestFromBytes(digest), found[i], memory.fence || fence);",
  },
  "a request joins only a query that has not been sent yet": {
    seed: 63,
    file: "server/keys/look-ups.ts",
    line: "const all = [...this.#waiting.values()];\n      this.#waiting = new Map();",
    without:
      "const all = [...this.#waiting.values()];\n      const sent = this.#waiting; setImmediate(() => {}); void Promise.allSettled(all.map(({ answer }) => answer)).then(() => sent.clear());",
  },
  "a change drops what it names": {
    seed: 1,
    file: "server/keys/key-memory.ts",
    line: "if (slot >= 0) this.#empty(slot);",
    without: "if (slot < 0) this.#empty(slot);",
  },
  "a change drops what was refused as well": {
    seed: 3,
    file: "server/keys/key-memory.ts",
    line: "this.#refused.clear();\n    const doomed",
    without: "const doomed",
  },
};

const PARAMETER = "without";
const root = new URL("../../", import.meta.url).href;
const OPEN_KEYS = "server/keys/open-keys.ts";
const rules = Object.keys(MUTATIONS);

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    const rule = context.parentURL && new URL(context.parentURL).searchParams.get(PARAMETER);
    const isOurs = /^server\/(keys|nodes)\//.test(resolved.url.slice(root.length));
    return rule && isOurs ? { ...resolved, url: `${resolved.url}?${PARAMETER}=${rule}` } : resolved;
  },
  load(url, context, next) {
    const loaded = next(url, context);
    const number = url.startsWith(root) && new URL(url).searchParams.get(PARAMETER);
    if (!number) return loaded;
    const { file, line, without } = MUTATIONS[rules[Number(number)] as string] as Mutation;
    if (new URL(url).pathname !== new URL(file, root).pathname) return loaded;
    const source = String(loaded.source);
    if (source.split(line).length !== 2) throw new Error(`${file} has this not exactly once: ${line}`);
    return { ...loaded, source: source.replace(line, () => without) };
  },
});

/** The code without one of its rules. */
export async function openKeysWithout(rule: string): Promise<OpenKeys> {
  const number = rules.indexOf(rule);
  const { openKeys } = await import(`${root}${OPEN_KEYS}?${PARAMETER}=${number}`);
  return openKeys as OpenKeys;
}
