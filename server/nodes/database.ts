import { OwnConnection } from "./connection.ts";
import * as store from "./store.ts";

/**
 * What this folder asks of the database: its statements, and connections of its own to send them over. It is
 * handed in, so that the simulation of `test/simulation/` can answer in the database's place; nothing that
 * runs does. The statements themselves are tested with a real PostgreSQL.
 */
export interface NodesDatabase
  extends Pick<
    typeof store,
    | "acknowledge"
    | "appendAccessChanges"
    | "deleteNode"
    | "deleteNodeAsSeen"
    | "deleteOldChanges"
    | "extendLease"
    | "readChangesFrom"
    | "readHead"
    | "readNodes"
    | "startListening"
    | "writeConfirmation"
  > {
  readonly connect: (...at: ConstructorParameters<typeof OwnConnection>) => Pick<OwnConnection, "open" | "close">;
}

export const nodesDatabase: NodesDatabase = { ...store, connect: (...at) => new OwnConnection(...at) };
