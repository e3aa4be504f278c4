import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { AccessChange } from "../../server/nodes/change.ts";
import { LEASE_MS } from "../../server/nodes/lease.ts";
import { EMPTY, type KeyRow, SimulatedDatabase, type Version } from "./database.ts";
import { type OpenKeys, SimulatedNode } from "./node.ts";
import { Random } from "./random.ts";
import { World } from "./world.ts";

/**
 * One run: some nodes, keys that are made, used and revoked without a pause, and what a seed lets go wrong
 * meanwhile. Then everything heals, and each node must do its work again. Four things are watched:
 *
 * 1. No acceptance began after the revocation of its key had returned; and none a lease after its commit,
 *    returned or not.
 * 2. A key that is live, and nobody is ending, is never refused as unknown.
 * 3. A revocation returns within a lease and some, once messages flow; and it never hangs.
 * 4. Every node gets to work again.
 */
export interface Run {
  readonly seed: number;
  readonly violation: string | undefined;
  readonly events: number;
  readonly counts: Counts;
}

export interface Counts {
  accepted: number;
  /** Of those that began after the revocation had returned: what a violation would be out of. */
  late: number;
  refused: number;
  unavailable: number;
  revoked: number;
  unpromised: number;
}

/** What can go wrong; a seed takes some of it, for faults that always come together hide one another. */
const FAULTS = [
  "freeze",
  "sleep",
  "crash",
  "stop",
  "join",
  "cut",
  "slow",
  "lose",
  "kill_connections",
  "restart_database",
  "restore",
  "set_clocks",
] as const;
type Fault = (typeof FAULTS)[number];

/** So long a restored database is away at least: see the record's limits. */
const RESTORE_MS = 2_300;
/** Once it has been committed a revocation gives up after 10 s; what it waits for at that moment, within some more. */
const NEVER_LONGER_MS = 18_000;

/** Every so manieth seed ends with everything healed. */
const HEALS_EACH = 4;

interface Key {
  readonly name: string;
  readonly token: string;
  readonly digest: string;
  readonly project: string | undefined;
  /** Whether somebody has its token: that leaves the server once the key has been committed. */
  is_out: boolean;
  /** Goes up with all that is begun with it: what was known of it before holds no more. */
  epoch: number;
  /** Since when its end has been answered. */
  dead_since_ms: number;
  /** Since when its end has been committed. */
  ended_ms: number;
  live_since_ms: number;
}

const NEVER = Number.POSITIVE_INFINITY;
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const tokens: { token: string; digest: string }[] = [];

/** Well-formed tokens that are the same in every run, or no seed could be run again. */
function tokenOf(number: number) {
  const random = new Random(number + 1);
  const known = tokens[number];
  if (known) return known;
  let body = "lk_user_";
  for (let i = 0; i < 43; i++) body += random.pick([...DIGITS]);
  let rest = crc32(body);
  let checksum = "";
  for (let i = 0; i < 6; i++, rest = Math.floor(rest / 62)) checksum = DIGITS[rest % 62] + checksum;
  const token = body + checksum;
  tokens[number] = { token, digest: createHash("sha256").update(token).digest("hex") };
  return tokens[number];
}

export async function simulate(seed: number, open_keys: OpenKeys, tell?: (line: string) => void): Promise<Run> {
  const scenario = new Scenario(seed, open_keys, tell);
  return await scenario.run();
}

class Scenario {
  readonly #seed: number;
  readonly #world: World;
  readonly #database: SimulatedDatabase;
  readonly #nodes: SimulatedNode[] = [];
  readonly #open_keys: OpenKeys;
  readonly #faults: ReadonlySet<Fault>;
  readonly #keys: Key[] = [];
  readonly #ended: Key[] = [];
  readonly #projects = new Map<string, "live" | "deleted" | "busy">();
  readonly #listens: boolean;
  /** Goes up when the database is put back: what was promised before is as lost as what was committed. */
  #history = 0;
  readonly counts: Counts = { accepted: 0, late: 0, refused: 0, unavailable: 0, revoked: 0, unpromised: 0 };

  constructor(seed: number, open_keys: OpenKeys, tell?: (line: string) => void) {
    this.#seed = seed;
    this.#world = new World(seed, tell);
    this.#database = new SimulatedDatabase(this.#world);
    this.#open_keys = open_keys;
    const { random } = this.#world;
    this.#faults = new Set(FAULTS.filter(() => random.chance(0.4)));
    this.#listens = random.chance(0.6);
    this.#database.current = EMPTY;
  }

  async run(): Promise<Run> {
    const world = this.#world;
    const { random } = world;
    world.trace(() => `faults: ${[...this.#faults].join(", ")}`);
    // Long enough for a node that is silent to be cleared away, now and then.
    const is_long = random.chance(0.02);
    const duration_ms = is_long ? 70_000 : random.between(3_000, 7_000);
    const nodes = random.pick([2, 3, 3]) ?? 3;
    for (let i = 0; i < nodes; i++) this.#join(random.between(0, 300));
    // What goes wrong goes wrong together.
    const moments = [0, 0].map(() => random.between(200, Math.min(duration_ms, 7_000) - 1_500));
    for (const fault of this.#faults) {
      const times = fault === "restore" ? 1 : Math.ceil(random.between(0, 3));
      for (let i = 0; i < times; i++) {
        world.after((random.pick(moments) ?? 0) + random.between(0, 1_000), () => this.#go(fault, is_long));
      }
    }
    for (const project of ["a", "b"]) this.#projects.set(project, "live");
    const pace_ms = is_long ? 900 : 110;
    for (let at_ms = 50; at_ms < duration_ms; at_ms += random.between(0, 2 * pace_ms)) {
      world.after(at_ms, () => this.#changeSomething());
    }
    for (let at_ms = 0; at_ms < duration_ms; at_ms += random.between(0, 0.6 * pace_ms)) {
      world.after(at_ms, () => this.#verify(random.pick(this.#nodes), random.pick(this.#keys)));
    }
    await world.run(duration_ms);
    // As long as all that goes before, so not every time.
    if (this.#seed % HEALS_EACH === 0) await this.#heal();
    const violation = world.violations[0];
    return { seed: this.#seed, violation, events: world.events, counts: this.counts };
  }

  #join(in_ms: number): void {
    const node = new SimulatedNode(`node ${this.#nodes.length + 1}`, this.#world, this.#database, this.#open_keys);
    if (this.#faults.has("lose")) node.link.loss = 0.003;
    this.#nodes.push(node);
    this.#startIn(in_ms, node);
  }

  #startIn(in_ms: number, node: SimulatedNode): void {
    this.#world.after(in_ms, () => {
      if (!node.is_up) node.start(this.#listens);
    });
    this.#comesBackIn(in_ms, node);
  }

  /**
   * A node that has been away is where old answers come from: what is live is tried there, and what has ended, and more is
   * ended just before and after.
   */
  #comesBackIn(in_ms: number, node: SimulatedNode): void {
    const { random, is_quiet } = this.#world;
    if (is_quiet) return;
    this.#world.after(in_ms + 0.01, () => {
      this.#tryEnded(node);
      const live = this.#keys.filter(({ live_since_ms }) => live_since_ms < NEVER);
      for (const key of live) this.#world.after(random.between(0, 40), () => this.#verify(node, key));
    });
    for (let i = 0; i < 5; i++) this.#world.after(in_ms + random.between(-150, 120), () => this.#changeSomething());
  }

  // ---- What goes wrong.

  #go(fault: Fault, is_long: boolean): void {
    const world = this.#world;
    const { random } = world;
    const node = random.pick(this.#nodes);
    if (world.is_quiet || !node) return;
    const isRunning = node.is_up && !node.is_frozen && !node.is_stopping;
    switch (fault) {
      case "freeze":
      case "sleep": {
        if (!isRunning) return;
        const ms = is_long ? random.between(61_000, 63_000) : random.between(50, 4_000);
        node.freeze(ms, fault === "sleep");
        this.#comesBackIn(ms, node);
        return;
      }
      case "crash":
        if (!node.is_up) return;
        node.crash();
        this.#startIn(random.between(1, 2_500), node);
        return;
      case "stop":
        if (!isRunning) return;
        void node.stop().then(() => this.#startIn(random.between(1, 500), node));
        for (let i = 0; i < 4; i++) world.after(random.between(0, 150), () => this.#tryEnded(node));
        return;
      case "join":
        if (this.#nodes.length < 5) this.#join(0);
        return;
      case "cut":
        node.link.cut_until_ms = world.now_ms + random.between(200, 4_000);
        world.trace(() => `${node.name} is cut off until ${node.link.cut_until_ms.toFixed(1)}`);
        this.#comesBackIn(node.link.cut_until_ms - world.now_ms, node);
        return;
      case "slow":
        node.link.slow_until_ms = world.now_ms + random.between(200, 3_000);
        node.link.slow_ms = random.pick([50, 300, 1_100]) ?? 0;
        return;
      case "lose":
        return;
      case "kill_connections":
        for (const wire of node.wires) if (random.chance(0.5)) wire.kill();
        return;
      case "restart_database":
        if (!this.#database.is_up) return;
        world.trace(() => "the database crashes");
        this.#database.crash();
        world.after(random.between(20, 1_500), () => {
          if (!this.#database.is_up) this.#database.start();
        });
        return;
      case "restore":
        this.#restore();
        return;
      case "set_clocks": {
        // A sleeping machine whose wall clock is set back as well has no clock left that tells: a limit of the protocol.
        const low_ms = this.#faults.has("sleep") ? 0 : -3_600_000;
        node.clock.wall_ahead_ms += random.between(low_ms, 3_600_000);
        this.#database.clock_ahead_ms += random.between(0, 5_000_000);
      }
    }
  }

  /** Puts the database back to what it is now, some time later. */
  #restore(): void {
    const world = this.#world;
    const { random } = world;
    // Where the server stays the same, only changes that were lost are noticed; see the record's limits.
    const isOtherServer = random.chance(0.5);
    const backup = this.#database.current;
    world.trace(() => `a copy of the database is made, of revision ${backup.revision}`);
    world.after(random.between(20, 2_000), () => {
      if (!this.#database.is_up || world.is_quiet) return;
      world.trace(() => "the database is taken away");
      this.#database.crash();
      this.#history++;
      for (const key of this.#keys) key.epoch++;
      // One node hears of it late.
      const late = random.pick(this.#nodes.filter((node) => node.is_up && !node.is_frozen && !node.is_stopping));
      const late_ms = RESTORE_MS + random.between(0, 2_000);
      late?.freeze(late_ms, false);
      if (late) this.#comesBackIn(late_ms, late);
      world.after(RESTORE_MS, () => {
        world.trace(() => `and put back to its copy, ${isOtherServer ? "on another server" : "on the same server"}`);
        this.#database.start(backup, isOtherServer);
        this.#forgetWhatWasLost(backup, isOtherServer);
      });
    });
  }

  /** What is true of each key in the database that was put back. */
  #forgetWhatWasLost(backup: Version, isOtherServer: boolean): void {
    const now_ms = this.#world.now_ms;
    for (const name of this.#projects.keys()) {
      this.#projects.set(name, backup.deleted_projects.has(name) ? "deleted" : "live");
    }
    for (const key of this.#keys) {
      key.epoch++;
      if (isLive(key, backup)) {
        key.dead_since_ms = NEVER;
        key.ended_ms = NEVER;
        // A node may remember what it was told before, for a lease.
        key.live_since_ms = isOtherServer ? now_ms + LEASE_MS + 500 : NEVER;
      } else {
        key.live_since_ms = NEVER;
        if (isOtherServer) key.ended_ms = Math.min(key.ended_ms, now_ms);
        else if (!backup.keys.has(key.digest)) key.ended_ms = NEVER;
        if (!backup.keys.has(key.digest)) key.dead_since_ms = NEVER;
      }
    }
  }

  // ---- What people do.

  #changeSomething(): void {
    const { random } = this.#world;
    const node = random.pick(this.#nodes.filter(({ is_up, is_stopping }) => is_up && !is_stopping));
    if (!node) return;
    const live = this.#keys.filter(({ live_since_ms, project }) => live_since_ms < NEVER && project === undefined);
    const [name, state] = random.pick([...this.#projects]) ?? ["", "busy"];
    if (live.length < 3 || random.chance(0.2)) void this.#create(node, random.chance(0.3) ? name : undefined);
    else if (random.chance(0.7)) this.#revokeSoon(node, random.pick(live) as Key);
    else if (state === "live") void this.#endProject(node, name);
    else if (state === "deleted") void this.#recoverProject(node, name);
  }

  async #create(node: SimulatedNode, project: string | undefined): Promise<Key> {
    const number = this.#keys.length;
    const { token, digest } = tokenOf(number);
    const key: Key = {
      name: `key ${number}`,
      ...{ token, digest, project, is_out: false, epoch: 0 },
      ...{ dead_since_ms: NEVER, ended_ms: NEVER, live_since_ms: NEVER },
    };
    this.#keys.push(key);
    const row: KeyRow = {
      ...{ id: number, kind: "user", user_id: "u", org_id: null, revoked: false },
      project_id: project ?? null,
    };
    try {
      await node.add((version) => {
        // The database may have been put back meanwhile.
        key.ended_ms = NEVER;
        return { ...version, keys: new Map(version.keys).set(digest, row) };
      });
    } catch {
      return key;
    }
    key.is_out = true;
    // That of a project that is being deleted may be dead on arrival.
    if (key.epoch === 0 && (project === undefined || this.#projects.get(project) === "live")) {
      key.live_since_ms = this.#world.now_ms;
    }
    return key;
  }

  /** With requests on every node around it, so that its moments meet theirs. */
  #revokeSoon(node: SimulatedNode, key: Key): void {
    const world = this.#world;
    const { random } = world;
    const lead_ms = random.between(0, 60);
    for (const other of this.#nodes) {
      for (const latest_ms of [lead_ms, lead_ms + 30, lead_ms + 60]) {
        world.after(random.between(0, latest_ms), () => this.#verify(other, key));
      }
    }
    world.after(lead_ms, () => {
      if (node.is_up && !node.is_stopping && key.live_since_ms < NEVER) node.arrive(() => void this.#revoke(node, key));
    });
  }

  async #revoke(node: SimulatedNode, key: Key): Promise<boolean> {
    const { digest } = key;
    const revoked = (version: Version): Version => {
      const row = version.keys.get(digest);
      return row ? { ...version, keys: new Map(version.keys).set(digest, { ...row, revoked: true }) } : version;
    };
    return await this.#end(node, [key], revoked, { kind: "key", subject: digest });
  }

  async #endProject(node: SimulatedNode, name: string): Promise<void> {
    this.#projects.set(name, "busy");
    const keys = this.#keys.filter(({ project }) => project === name);
    const history = this.#history;
    const rows = (version: Version): Version => ({
      ...version,
      deleted_projects: new Set(version.deleted_projects).add(name),
    });
    const isDone = await this.#end(node, keys, rows, { kind: "project", subject: name });
    if (isDone && history === this.#history) this.#projects.set(name, "deleted");
  }

  /** A project comes back by a change like any other, which tells the nodes to forget what they have refused. */
  async #recoverProject(node: SimulatedNode, name: string): Promise<void> {
    this.#projects.set(name, "busy");
    const keys = this.#keys.filter(({ project }) => project === name);
    const history = this.#history;
    for (const key of keys) {
      key.epoch++;
      key.dead_since_ms = NEVER;
      for (const other of this.#nodes) this.#verify(other, key);
    }
    const rows = (version: Version): Version => {
      for (const key of keys) key.ended_ms = NEVER;
      const deleted_projects = new Set(version.deleted_projects);
      deleted_projects.delete(name);
      return { ...version, deleted_projects };
    };
    try {
      await node.change(rows, [{ kind: "project", subject: name }], () => {});
    } catch {
      return;
    }
    if (history !== this.#history) return;
    this.#projects.set(name, "live");
    for (const key of keys) {
      if (this.#database.current.keys.has(key.digest)) key.live_since_ms = this.#world.now_ms;
      for (const other of this.#nodes) this.#verify(other, key);
    }
  }

  /** Ends keys through a node; true when that was promised. */
  async #end(
    node: SimulatedNode,
    keys: readonly Key[],
    rows: (version: Version) => Version,
    change: AccessChange,
  ): Promise<boolean> {
    const world = this.#world;
    const began_ms = world.now_ms;
    const history = this.#history;
    for (const key of keys) {
      key.epoch++;
      key.live_since_ms = NEVER;
    }
    world.trace(() => `${node.name} is asked to end ${keys.map(({ name }) => name).join()}`);
    const committed = (version: Version) => {
      for (const key of keys) key.ended_ms = world.now_ms;
      return rows(version);
    };
    let isOver = false;
    const watch = () => {
      const { pauses } = node;
      node.timer(NEVER_LONGER_MS, () => {
        if (!isOver && pauses === node.pauses) world.violation(`a revocation through ${node.name} hangs`);
      });
    };
    try {
      await node.change(committed, [change], watch);
    } catch (error) {
      world.trace(() => `${node.name} makes no promise: ${error}`);
      this.counts.unpromised++;
      return false;
    } finally {
      isOver = true;
    }
    const took_ms = world.now_ms - began_ms;
    world.trace(() => `${node.name} has ended ${keys.map(({ name }) => name).join()}, in ${took_ms.toFixed(1)} ms`);
    this.counts.revoked++;
    if (history !== this.#history) return true;
    for (const key of keys) {
      key.dead_since_ms = world.now_ms;
      this.#ended.push(key);
      for (const other of this.#nodes) {
        for (const latest_ms of [0, 50, 400, 1_900]) {
          world.after(world.random.between(0, latest_ms), () => this.#verify(other, key));
        }
      }
    }
    return true;
  }

  /** What was ended lately is tried where something has just changed. */
  #tryEnded(node: SimulatedNode): void {
    const { random } = this.#world;
    for (const key of this.#ended.slice(-4)) {
      this.#world.after(random.between(0, 20), () => this.#verify(node, key));
      this.#world.after(random.between(0, 200), () => this.#verify(node, key));
    }
  }

  #verify(node: SimulatedNode | undefined, key: Key | undefined): void {
    if (node?.is_up && key?.is_out) node.arrive(() => void this.#ask(node, key));
  }

  async #ask(node: SimulatedNode, key: Key): Promise<"accepted" | "refused" | "unavailable"> {
    const world = this.#world;
    const began_ms = world.now_ms;
    const { epoch, dead_since_ms, ended_ms, live_since_ms } = key;
    let found: Awaited<ReturnType<SimulatedNode["keys"]["verifier"]["verify"]>>;
    try {
      const verified = node.keys.verifier.verify(key.token);
      found = verified instanceof Promise ? await verified : verified;
    } catch {
      this.counts.unavailable++;
      return "unavailable";
    }
    const same = epoch === key.epoch;
    if (dead_since_ms <= began_ms) this.counts.late++;
    if ("refused" in found) {
      this.counts.refused++;
      if (same && live_since_ms <= began_ms) world.violation(`${node.name} refuses ${key.name}, which is live`);
      return "refused";
    }
    this.counts.accepted++;
    if (same && dead_since_ms <= began_ms) {
      const late_ms = (began_ms - dead_since_ms).toFixed(1);
      world.violation(
        `${node.name} accepts ${key.name}, whose revocation returned ${late_ms} ms before the request began`,
      );
    } else if (ended_ms === key.ended_ms && ended_ms + LEASE_MS <= began_ms) {
      world.violation(
        `${node.name} accepts ${key.name}, ${(began_ms - ended_ms).toFixed(0)} ms after its end was committed`,
      );
    }
    return "accepted";
  }

  // ---- And then everything heals.

  async #heal(): Promise<void> {
    const world = this.#world;
    if (world.violations.length > 0) return;
    world.trace(() => "everything heals");
    world.is_quiet = true;
    const heal_ms = world.now_ms;
    if (!this.#database.is_up) {
      await world.run(heal_ms + RESTORE_MS + 100);
      if (!this.#database.is_up) this.#database.start();
    }
    for (const node of this.#nodes) node.link.cut_until_ms = 0;
    for (const node of this.#nodes) this.#startIn(0, node);
    // Whoever is frozen thaws, and what was sent to nobody is given up.
    await world.run(world.now_ms + 6_000);
    for (const node of this.#nodes) {
      if (world.violations.length > 0) return;
      let isDone = false;
      void this.#work(node).then(() => {
        isDone = true;
      });
      const until_ms = world.now_ms + 2 * LEASE_MS;
      await world.run(until_ms, () => isDone);
      if (!isDone) world.violation(`${node.name} does not get to work again`);
    }
  }

  /** A node must make a key, and every node accept it; then revoke it in time, and every node refuse it. */
  async #work(node: SimulatedNode): Promise<void> {
    const world = this.#world;
    const key = await this.#create(node, undefined);
    if (!key.is_out) return world.violation(`${node.name} cannot make a key`);
    for (const other of this.#nodes) {
      if ((await this.#ask(other, key)) !== "accepted") world.violation(`${other.name} is of no use`);
    }
    const began_ms = world.now_ms;
    if (!(await this.#revoke(node, key))) return world.violation(`${node.name} cannot revoke a key`);
    const took_ms = world.now_ms - began_ms;
    if (took_ms > LEASE_MS + 300) world.violation(`a revocation through ${node.name} took ${took_ms.toFixed(0)} ms`);
    for (const other of this.#nodes) {
      if ((await this.#ask(other, key)) !== "refused") world.violation(`${other.name} is of no use`);
    }
  }
}

function isLive({ digest, project }: Key, { keys, deleted_projects }: Version): boolean {
  const row = keys.get(digest);
  return row !== undefined && !row.revoked && !(project !== undefined && deleted_projects.has(project));
}
