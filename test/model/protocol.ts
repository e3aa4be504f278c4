import type { Machine } from "./explore.ts";

/**
 * The revocation protocol of `server/nodes/` and `server/keys/` as a state machine: one database, one node
 * that keeps a key in memory, one revoker, and an adversary who decides what happens next. Nodes share
 * nothing but the database and the revoker waits for each of them, so one node stands for any number.
 *
 * The adversary may: delay or lose any message, let one that was given up arrive late, stop the node between
 * any two of its steps (a pause is time that passes without a step), crash it, make its clock slow within
 * the tolerated drift, let it join and leave at any moment, and set the database's wall clock.
 *
 * Time is kept as what is left or has passed, never as an instant, so the state space is finite although
 * time is not.
 */

/** The safety rules; the test removes each in turn. */
export const RULES = {
  serialized_revisions: "revisions are given in the order of commit, without gaps (a sequence is neither)",
  wait_for_nodes: "revoke answers only when every node has acknowledged or its lease has lapsed",
  acknowledge_after_applying: "a node acknowledges what it has applied, not what it has received",
  lease_checked_per_request: "the lease is compared at each request, not ended by a timer",
  memory_only_under_lease: "without a lease a node does not answer from memory, not even when the database is lost",
  counted_from_before_sending: "the node counts its lease from before it sent the renewal",
  extended_before_reading: "changes are read by a statement that begins after the extension has been committed",
  lease_after_applying: "a lease counts only once the changes read after it have been applied",
  committed_before_counting: "a lease counts only once its row has been committed (a node that joins included)",
  margin_for_drift: "the node's lease is shorter than the revoker's by the tolerated drift",
  no_wall_clock: "the revoker measures a lapse by its own monotonic clock, not by the database's wall clock",
  lapse_from_after_reading: "the revoker counts a lapse from after it has read the row",
  fresh_look: "the revoker decides by a look at the rows that it sent after its commit",
  delete_names_renewal: "a lapsed row is deleted only if it is still as it was when the lapse was counted",
  fill_fence: "a look-up fills the memory only if no change has been applied since it was sent",
  join_unsent: "a request joins only a look-up that has not been sent yet",
  lease_dropped_before_leaving: "a node that leaves gives up its lease before its row is deleted",
} as const;
export type Rule = keyof typeof RULES;

/** The revoker's lease, in ticks; the node's is shorter by the drift that is tolerated: one tick. */
const LEASE = 2;
const DRIFT = 1;

interface Change {
  readonly at: "idle" | "open" | "done";
  readonly revision: number;
}

interface Renewal {
  readonly at: "extending" | "snapped" | "extended" | "reading" | "read";
  /** Time passed on the node's clock since before it was sent. */
  readonly age: number;
  readonly acks: number;
  readonly seen: number;
  readonly saw_key: boolean;
}

interface LookUp {
  readonly at: "sent" | "read";
  readonly fence: number;
  readonly found: boolean;
  /** A request that began after revoke had returned waits for it. */
  readonly late: boolean;
}

export interface State {
  /** The revocation of the key, and an unrelated change beside it. */
  readonly revocation: Change;
  readonly other: Change;
  /** The last revision given. */
  readonly revision: number;
  /** The node's row. `renewed`: since the revoker last looked; `left`: of the lease, by the database's wall clock. */
  readonly row: { readonly acked: number; readonly renewed: boolean; readonly left: number } | null;

  readonly up: boolean;
  readonly leaving: boolean;
  readonly cached: boolean;
  readonly applied: number;
  readonly lease: number;
  /** What a timer-ended lease would say (used only where `lease_checked_per_request` is removed). */
  readonly flag: boolean;
  readonly renewal: Renewal | null;
  /** An extension that the node has given up and that may still arrive: what it acknowledges, or -1. */
  readonly straggler: number;
  readonly look_up: LookUp | null;

  readonly look: {
    readonly at: "sent" | "read";
    readonly since: number;
    readonly after_commit: boolean;
    readonly row: State["row"];
  } | null;
  /** Time left until the row, if it does not change, counts as lapsed; -1: never seen. */
  readonly watch: number;
  readonly returned: boolean;
  /** Ticks until the node's clock may be slow again. */
  readonly steady: number;
}

const NONE: Change = { at: "idle", revision: 0 };

export const INITIAL: State = {
  revocation: NONE,
  other: NONE,
  revision: 0,
  row: null,
  up: true,
  leaving: false,
  cached: false,
  applied: 0,
  lease: 0,
  flag: false,
  renewal: null,
  straggler: -1,
  look_up: null,
  look: null,
  watch: -1,
  returned: false,
  steady: 0,
};

type Steps = Generator<readonly [string, State]>;

export interface Variant {
  readonly removed?: Rule;
  /** Whether an unrelated change is made as well; it multiplies the states by four. */
  readonly with_other_change: boolean;
}

export function protocol({ removed, with_other_change }: Variant): Machine<State> {
  const has = (rule: Rule) => rule !== removed;
  const node_lease = has("margin_for_drift") ? LEASE - DRIFT : LEASE;

  const answersFromMemory = (s: State): boolean => {
    if (!s.up || !s.cached) return false;
    if (!has("memory_only_under_lease")) return true;
    return has("lease_checked_per_request") ? s.lease > 0 : s.flag;
  };

  function* steps(s: State): Steps {
    yield* time(s);
    yield* changes(s, "revocation");
    if (with_other_change) yield* changes(s, "other");
    yield* renewals(s);
    yield* lookUps(s);
    yield* comingAndGoing(s);
    yield* revoker(s);
  }

  function* time(s: State): Steps {
    const passed: State = {
      ...s,
      row: s.row && { ...s.row, left: has("no_wall_clock") ? 0 : Math.max(0, s.row.left - 1) },
      look: s.look && { ...s.look, since: has("lapse_from_after_reading") ? 0 : Math.min(LEASE, s.look.since + 1) },
      watch: s.watch > 0 ? s.watch - 1 : s.watch,
      steady: Math.max(0, s.steady - 1),
    };
    const onNode: State = {
      ...passed,
      lease: Math.max(0, s.lease - 1),
      renewal: s.renewal && { ...s.renewal, age: Math.min(node_lease, s.renewal.age + 1) },
    };
    yield ["a tick", onNode];
    if (s.steady === 0) yield ["a tick that the node's slow clock misses", { ...passed, steady: LEASE }];
    if (s.flag && s.lease === 0) yield ["the node's timer ends the lease", { ...s, flag: false }];
    if (!has("no_wall_clock") && s.row && s.row.left > 0) {
      yield ["the database's clock is set forward", { ...s, row: { ...s.row, left: 0 } }];
    }
  }

  function* changes(s: State, which: "revocation" | "other"): Steps {
    const change = s[which];
    const what = which === "revocation" ? "the revocation" : "another change";
    if (has("serialized_revisions")) {
      if (change.at !== "idle") return;
      const revision = s.revision + 1;
      yield [`${what} commits as ${revision}`, { ...s, revision, [which]: { at: "done", revision } }];
      return;
    }
    if (change.at === "idle") {
      const revision = s.revision + 1;
      yield [`${what} is given ${revision}`, { ...s, revision, [which]: { at: "open", revision } }];
    }
    if (change.at === "open")
      yield [`${what} commits as ${change.revision}`, { ...s, [which]: { ...change, at: "done" } }];
  }

  /** What a statement that begins now reads: the highest committed revision, and whether the key's is new. */
  function read(s: State): Pick<Renewal, "seen" | "saw_key"> {
    const committed = [s.revocation, s.other].filter(({ at, revision }) => at === "done" && revision > s.applied);
    return {
      seen: Math.max(s.applied, ...committed.map(({ revision }) => revision)),
      saw_key: committed.includes(s.revocation),
    };
  }

  function extend(s: State, acks: number): State {
    const acked = Math.max(s.row?.acked ?? 0, acks);
    return { ...s, row: { acked, renewed: true, left: has("no_wall_clock") ? 0 : LEASE } };
  }

  function hold(s: State, age: number): State {
    if (s.leaving && has("lease_dropped_before_leaving")) return s;
    const lease = Math.max(s.lease, node_lease - (has("counted_from_before_sending") ? age : 0));
    return { ...s, lease, flag: !has("lease_checked_per_request") && (s.flag || lease > 0) };
  }

  function apply(s: State, { seen, saw_key }: Renewal): State {
    return { ...s, applied: Math.max(s.applied, seen), cached: s.cached && !saw_key };
  }

  function* renewals(s: State): Steps {
    if (s.straggler >= 0) {
      yield ["an extension that was given up arrives", { ...extend(s, s.straggler), straggler: -1 }];
    }
    if (!s.up) return;
    if (s.row && s.row.acked < s.applied) {
      yield ["an acknowledgement by itself arrives", { ...s, row: { ...s.row, acked: s.applied } }];
    }
    const r = s.renewal;
    if (r === null) {
      const heard = apply(s, { at: "read", age: 0, acks: 0, ...read(s) });
      if (heard.applied > s.applied) yield ["the node hears of changes between renewals", heard];
      const sent: Renewal = { at: "extending", age: 0, acks: s.applied, seen: 0, saw_key: false };
      if (!s.leaving) {
        yield [
          "the node sends a renewal",
          { ...s, renewal: has("committed_before_counting") ? sent : { ...sent, at: "reading" } },
        ];
      }
      return;
    }
    yield [
      "the renewal is given up",
      { ...s, renewal: null, straggler: r.at === "extending" ? Math.max(s.straggler, r.acks) : s.straggler },
    ];
    switch (r.at) {
      case "extending":
        if (!has("committed_before_counting")) {
          yield ["the extension is committed", { ...extend(s, r.acks), renewal: null }];
        } else if (has("extended_before_reading")) {
          yield ["the extension is committed", { ...extend(s, r.acks), renewal: { ...r, at: "extended" } }];
        } else {
          yield ["the renewal's one statement begins", { ...s, renewal: { ...r, at: "snapped", ...read(s) } }];
        }
        return;
      case "snapped":
        yield ["the renewal's one statement is committed", { ...extend(s, r.acks), renewal: { ...r, at: "read" } }];
        return;
      case "extended": {
        const next: State = { ...s, renewal: { ...r, at: "reading" } };
        yield ["the node asks for changes", has("lease_after_applying") ? next : hold(next, r.age)];
        return;
      }
      case "reading": {
        const seen = read(s);
        const next: State = { ...s, renewal: { ...r, at: "read", ...seen } };
        yield ["the changes are read", has("acknowledge_after_applying") || !s.row ? next : extend(next, seen.seen)];
        return;
      }
      case "read": {
        const applied = hold(apply(s, r), r.age);
        yield [
          "the node applies the changes and holds the lease",
          has("committed_before_counting")
            ? { ...applied, renewal: null }
            : { ...applied, renewal: { ...r, at: "extending", acks: applied.applied } },
        ];
      }
    }
  }

  function* lookUps(s: State): Steps {
    if (!s.up) return;
    const l = s.look_up;
    if (l === null) {
      if (!s.cached) {
        yield [
          s.returned ? "a late request sends a look-up" : "a request sends a look-up",
          { ...s, look_up: { at: "sent", fence: s.applied, found: false, late: s.returned } },
        ];
      }
      return;
    }
    yield ["the look-up fails", { ...s, look_up: null }];
    if (!has("join_unsent") && s.returned && !l.late) {
      yield ["a late request joins the look-up", { ...s, look_up: { ...l, late: true } }];
    }
    if (l.at === "sent") {
      const found = s.revocation.at !== "done";
      yield [
        `the look-up reads the key: ${found ? "live" : "revoked"}`,
        { ...s, look_up: { ...l, at: "read", found } },
      ];
      return;
    }
    const fits = !has("fill_fence") || l.fence === s.applied;
    if (l.found && l.late) {
      yield ["the late request is accepted", { ...s, look_up: { ...l, at: "read" }, cached: true, lease: -1 }];
    } else {
      yield ["the look-up is answered", { ...s, look_up: null, cached: s.cached || (l.found && fits) }];
    }
  }

  function* comingAndGoing(s: State): Steps {
    const gone = { up: false, cached: false, lease: 0, flag: false, renewal: null, look_up: null, applied: 0 };
    if (s.up) {
      const straggler = s.renewal?.at === "extending" ? Math.max(s.straggler, s.renewal.acks) : s.straggler;
      yield ["the node crashes", { ...s, ...gone, leaving: false, straggler }];
    }
    if (s.up && !s.leaving && s.row) {
      const leaving: State = { ...s, leaving: true };
      yield [
        "the node begins to leave",
        has("lease_dropped_before_leaving") ? { ...leaving, lease: 0, flag: false } : leaving,
      ];
    }
    if (s.up && s.leaving && s.row) yield ["the leaving node's row is deleted", { ...s, row: null }];
    if (s.up && s.leaving && !s.row) yield ["the node has left", { ...s, ...gone, leaving: false }];
  }

  function* revoker(s: State): Steps {
    if (s.returned) return;
    const waits = s.revocation.at === "done";
    if (waits && !has("wait_for_nodes")) yield ["revoke returns", { ...s, returned: true }];
    // A row that has not changed for a whole lease is cleared away, provided that it still has not: the
    // statement names the renewal that was counted, which a look whose answer is under way has not replaced.
    const unchanged = !s.row?.renewed && !s.look?.row?.renewed;
    if (s.watch === 0 && s.row && (unchanged || !has("delete_names_renewal")))
      yield ["the lapsed row is deleted", { ...s, row: null }];

    const look = s.look;
    if (look === null) {
      yield ["the revoker looks at the rows", { ...s, look: { at: "sent", since: 0, after_commit: waits, row: null } }];
      return;
    }
    yield [
      "the look fails",
      { ...s, look: null, row: s.row && { ...s.row, renewed: s.row.renewed || (look.row?.renewed ?? false) } },
    ];
    if (look.at === "sent") {
      const row = s.row && { ...s.row, renewed: false };
      yield ["the rows are read", { ...s, row, look: { ...look, at: "read", row: s.row } }];
      return;
    }
    const seen = look.row;
    const decides = waits && (look.after_commit || !has("fresh_look"));
    if (decides && seen === null) yield ["revoke returns: there is no node", { ...s, look: null, returned: true }];
    else if (decides && seen !== null && seen.acked >= s.revocation.revision) {
      yield ["revoke returns: acknowledged", { ...s, look: null, returned: true }];
    } else if (decides && !has("no_wall_clock") && seen?.left === 0) {
      yield ["revoke returns: lapsed by the database's clock", { ...s, look: null, returned: true }];
    } else if (seen === null) {
      yield ["the look tells nothing", { ...s, look: null, watch: -1 }];
    } else if (seen.renewed || s.watch < 0) {
      yield ["the revoker begins to count", { ...s, look: null, watch: Math.max(0, LEASE - look.since) }];
    } else if (decides && s.watch === 0) {
      yield ["revoke returns: lapsed", { ...s, look: null, returned: true }];
    } else {
      yield ["the revoker goes on counting", { ...s, look: null }];
    }
  }

  return {
    initial: INITIAL,
    key,
    steps,
    goal: (s) => s.returned,
    violation: (s) => {
      if (s.lease < 0) return "a request that began after revoke returned was accepted by a look-up";
      if (s.returned && answersFromMemory(s)) return "a request that begins now is accepted from memory";
      return undefined;
    },
  };
}

const CHANGE = ["idle", "open", "done"];
const RENEWAL = ["extending", "snapped", "extended", "reading", "read"];
const LOOK_UP = ["sent", "read"];

/** Every field as one character: small numbers, flags, and places in the lists above. */
function key(s: State): string {
  const { revocation: k, other: o, row, renewal: r, look_up: l, look } = s;
  const rowCode = (at: State["row"]) => (at === null ? 0 : 1 + at.acked * 8 + at.left * 2 + Number(at.renewed));
  return String.fromCharCode(
    CHANGE.indexOf(k.at) * 4 + k.revision,
    CHANGE.indexOf(o.at) * 4 + o.revision,
    s.revision,
    rowCode(row),
    Number(s.up) + 2 * Number(s.leaving) + 4 * Number(s.cached) + 8 * Number(s.flag) + 16 * Number(s.returned),
    s.applied,
    s.lease + 1,
    r === null ? 0 : 1 + RENEWAL.indexOf(r.at) * 64 + r.age * 16 + r.acks * 4,
    r === null ? 0 : r.seen * 2 + Number(r.saw_key),
    s.straggler + 1,
    l === null ? 0 : 1 + LOOK_UP.indexOf(l.at) * 16 + l.fence * 4 + Number(l.found) * 2 + Number(l.late),
    look === null ? 0 : 1 + LOOK_UP.indexOf(look.at) * 16 + look.since * 4 + Number(look.after_commit),
    look === null ? 0 : rowCode(look.row),
    s.watch + 1,
    s.steady,
  );
}
