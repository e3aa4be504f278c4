import { sql } from "kysely";
import type { Tx } from "../../db/pool.ts";
import type { LogQuestion } from "../../db/schema.ts";

/** SQL about questions for logs, for jobs alone (see `jobs/store.ts`). */

export interface LogReading {
  readonly id: string;
  readonly endpoint_id: string;
  readonly question: LogQuestion;
}

/** The questions to this node that nobody has answered yet. */
export async function listLogReadingsForJob(tx: Tx, node_id: string, limit: number): Promise<LogReading[]> {
  return await tx
    .selectFrom("log_readings as r")
    .innerJoin("endpoints as e", "e.id", "r.endpoint_id")
    .innerJoin("branches as b", "b.id", "e.branch_id")
    .select(["r.id", "r.endpoint_id", "r.question"])
    .where("b.node_id", "=", node_id)
    .where("r.answer", "is", null)
    .orderBy("r.asked_at")
    .limit(limit)
    .execute();
}

export async function answerLogReadingForJob(tx: Tx, id: string, answer: string): Promise<void> {
  await tx.updateTable("log_readings").set({ answer }).where("id", "=", id).execute();
}

/** Removes what nobody waits for any more: a server that dies does not come back for its answers. */
export async function deleteOldLogReadingsForJob(tx: Tx): Promise<void> {
  await tx.deleteFrom("log_readings").where("asked_at", "<", sql<string>`now() - interval '1 minute'`).execute();
}
