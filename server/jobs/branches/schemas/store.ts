import { sql } from "kysely";
import type { Tx } from "../../../db/pool.ts";
import type { SchemaRefusal } from "../../../db/schema.ts";

/** SQL about the questions for schemas, for jobs alone (see `jobs/store.ts`). */

/** `in ()` is no SQL. */
const NOBODY = "00000000-0000-0000-0000-000000000000";

export interface Reading {
  readonly id: string;
  readonly branch_id: string;
  readonly database_name: string;
  readonly format: "sql" | "json";
}

/** The questions for schemas on this node that nobody has answered yet. */
export async function listReadingsForJob(
  tx: Tx,
  node_id: string,
  in_flight: readonly string[],
  limit: number,
): Promise<Reading[]> {
  return await tx
    .selectFrom("schema_readings as r")
    .innerJoin("branches as b", "b.id", "r.branch_id")
    .select(["r.id", "r.branch_id", "r.database_name", "r.format"])
    .where("b.node_id", "=", node_id)
    .where("r.answer", "is", null)
    .where("r.refusal", "is", null)
    .where("r.id", "not in", in_flight.length === 0 ? [NOBODY] : in_flight)
    .orderBy("r.asked_at")
    .limit(limit)
    .execute();
}

export async function answerReadingForJob(
  tx: Tx,
  id: string,
  answer: { readonly answer: string } | { readonly refusal: SchemaRefusal },
): Promise<void> {
  await tx.updateTable("schema_readings").set(answer).where("id", "=", id).execute();
}

/** Removes what nobody waits for any more: a server that dies does not come back for its answers. */
export async function deleteOldReadingsForJob(tx: Tx): Promise<void> {
  await tx.deleteFrom("schema_readings").where("asked_at", "<", sql<string>`now() - interval '2 minutes'`).execute();
}
