import type { ProjectAccess } from "../../access/handles.ts";
import type { LogQuestion } from "../../db/schema.ts";

/** Questions for the log of a compute: asked here, answered by `jobs/` on the node that runs it. */
export async function insertLogReading(
  access: ProjectAccess,
  id: string,
  endpoint_id: string,
  question: LogQuestion,
): Promise<void> {
  await access.tx
    .insertInto("log_readings")
    .values({ id, endpoint_id, question: JSON.stringify(question), answer: null })
    .execute();
}

/** How many questions of a project wait for their answers. */
export async function countLogReadings(access: ProjectAccess): Promise<number> {
  const { count } = await access.tx
    .selectFrom("log_readings as r")
    .innerJoin("endpoints as e", "e.id", "r.endpoint_id")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .where("e.project_id", "=", access.project_id)
    .where("r.answer", "is", null)
    .executeTakeFirstOrThrow();
  return count;
}

/** Undefined while nobody has answered, and `gone` with its endpoint, or with a crash. */
export async function findLogAnswer(
  access: ProjectAccess,
  id: string,
): Promise<{ answer: string } | "gone" | undefined> {
  const row = await access.tx.selectFrom("log_readings").select("answer").where("id", "=", id).executeTakeFirst();
  if (row === undefined) return "gone";
  return row.answer === null ? undefined : { answer: row.answer };
}

export async function deleteLogReading(access: ProjectAccess, id: string): Promise<void> {
  await access.tx.deleteFrom("log_readings").where("id", "=", id).execute();
}
