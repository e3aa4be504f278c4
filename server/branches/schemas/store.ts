import type { ProjectAccess } from "../../access/handles.ts";
import type { SchemaRefusal } from "../../db/schema.ts";

/** Questions for the schema of a database: asked here, answered by `jobs/` on the node whose disk has the branch. */
export interface SchemaQuestion {
  readonly branch_id: string;
  readonly database_name: string;
  readonly format: "sql" | "json";
}

export async function insertReading(access: ProjectAccess, id: string, question: SchemaQuestion): Promise<void> {
  await access.tx
    .insertInto("schema_readings")
    .values({ id, ...question, answer: null, refusal: null })
    .execute();
}

/** How many questions of a project wait for their answers. */
export async function countReadings(access: ProjectAccess): Promise<number> {
  const { count } = await access.tx
    .selectFrom("schema_readings as r")
    .innerJoin("branches as b", "b.id", "r.branch_id")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .where("b.project_id", "=", access.project_id)
    .where("r.answer", "is", null)
    .where("r.refusal", "is", null)
    .executeTakeFirstOrThrow();
  return count;
}

export interface SchemaAnswer {
  readonly answer: string | null;
  readonly refusal: SchemaRefusal | null;
}

/** Undefined while nobody has answered, and `gone` with its branch, or with a crash. */
export async function findAnswer(access: ProjectAccess, id: string): Promise<SchemaAnswer | "gone" | undefined> {
  const row = await access.tx
    .selectFrom("schema_readings")
    .select(["answer", "refusal"])
    .where("id", "=", id)
    .executeTakeFirst();
  if (row === undefined) return "gone";
  return row.answer === null && row.refusal === null ? undefined : row;
}

export async function deleteReading(access: ProjectAccess, id: string): Promise<void> {
  await access.tx.deleteFrom("schema_readings").where("id", "=", id).execute();
}
