import type pg from "pg";
import type { Clock } from "../clock.ts";
import type { Config } from "../config.ts";
import type { Connection, Db } from "../db/pool.ts";
import type { Log } from "../log.ts";
import { type NodesDatabase, nodesDatabase } from "../nodes/database.ts";
import { NodeLease } from "../nodes/lease.ts";
import { ChangeListener } from "../nodes/listener.ts";
import { Peers } from "../nodes/peers.ts";
import { Revocations } from "../nodes/revocations.ts";
import type { NodeDescription } from "../nodes/store.ts";
import { KeyMemory } from "./key-memory.ts";
import { LastUsedRecorder } from "./last-used.ts";
import { type FindAll, LookUps, remembering } from "./look-ups.ts";
import { findLiveKeys, writeKeyUses } from "./store.ts";
import { KeyVerifier, type LiveGrant } from "./verifier.ts";

export interface KeysDeps {
  readonly config: Pick<Config, "key_cache_bytes" | "listen">;
  readonly connection: Connection;
  readonly db: Db;
  readonly pool: pg.Pool;
  readonly description: NodeDescription;
  /** The logins of OAuth access tokens. Absent where nobody signs in through the browser. */
  readonly findGrants?: FindAll<LiveGrant>;
  readonly clock: Clock;
  readonly log: Log;
  /** Absent: the statements of `store.ts`, here and in `nodes/`, as everywhere but in a simulation. */
  readonly database?: NodesDatabase & { readonly findLiveKeys: typeof findLiveKeys };
}

/** Everything that verifies keys on this node, wired. */
export interface Keys {
  readonly verifier: KeyVerifier;
  readonly recorder: LastUsedRecorder;
  readonly revocations: Revocations;
  readonly peers: Peers;
  readonly lease: NodeLease;
  /** Joins the nodes. Until then, and where it fails, every request asks the database. */
  start(): Promise<void>;
  /** Leaves them and writes the last uses; to be called once no request is running any more. */
  stop(): Promise<void>;
}

export function openKeys(deps: KeysDeps): Keys {
  const { config, connection, db, pool, description, clock, log } = deps;
  const database = deps.database ?? nodesDatabase;
  const memory = new KeyMemory(config.key_cache_bytes, (...use) => recorder.note(...use));
  const recorder = new LastUsedRecorder(pool, clock, log, writeKeyUses, memory);
  log.metrics.keys_remembered.collect_from(() => memory.count);
  log.metrics.key_memory_bytes.collect_from(() => memory.bytes);
  const peers = new Peers(pool, database, clock, log);
  const lease = new NodeLease({ connection, database, description, memory, peers, clock, log });
  const direct = typeof config.listen === "string" ? connection : config.listen;
  const listener =
    config.listen === "off" ? undefined : new ChangeListener(direct, database, clock, () => lease.poke());
  const revocations = new Revocations({
    db,
    database,
    peers,
    notify: listener !== undefined,
    pokeOwnNode: () => lease.poke(),
    clock,
    log,
  });
  const find = deps.database?.findLiveKeys ?? findLiveKeys;
  const findKeys = remembering(memory, log.metrics, (digests) => find(pool, digests));
  const look_ups = new LookUps(findKeys, log.metrics);
  const grant_look_ups = new LookUps(deps.findGrants ?? (async () => []), log.metrics);
  const verifier = new KeyVerifier({
    memory,
    look_ups,
    isLeaseHeld: (at) => lease.isHeld(at),
    findGrant: (digest) => grant_look_ups.find(digest),
  });
  log.metrics.key_uses_waiting.collect_from(() => recorder.waiting);
  return {
    verifier,
    recorder,
    revocations,
    peers,
    lease,
    async start() {
      await lease.start();
      listener?.start();
    },
    async stop() {
      look_ups.close();
      grant_look_ups.close();
      listener?.stop();
      await lease.stop();
      await recorder.stop();
    },
  };
}
