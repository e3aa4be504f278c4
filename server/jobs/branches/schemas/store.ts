import { sql } from "kysely";
import type { Tx } from "../../../db/pool.ts";
import type { SchemaRefusal } from "../../../db/schema.ts";

/** SQL about the questions for schemas, for jobs alone (see `jobs/store.ts`). */

export interface Reading {
  readonly id: string;
  readonly project_id: string;
  readonly branch_id: string;
  readonly database_name: string;
  readonly format: "sql" | "json";
}

/** The questions for schemas on this node that nobody has answered yet, the oldest of each project but of these. */
export async function listReadingsForJob(
  tx: Tx,
  node_id: string,
  busy_project_ids: readonly string[],
  limit: number,
): Promise<Reading[]> {
  const { rows } = await sql<Reading>`
    select id, project_id, branch_id, database_name, format from (
      select distinct on (b.project_id) r.*, b.project_id
      from schema_readings r join branches b on b.id = r.branch_id
      where b.node_id = ${node_id} and r.answer is null and r.refusal is null
        and b.project_id <> all (${busy_project_ids}::text[])
      order by b.project_id, r.asked_at
    ) oldest order by asked_at limit ${limit}`.execute(tx);
  return rows;
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
