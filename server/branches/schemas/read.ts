import { createTwoFilesPatch, FILE_HEADERS_ONLY } from "diff";
import type { ProjectAccess } from "../../access/handles.ts";
import { awaitAnswer } from "../../await-answer.ts";
import type { Clock } from "../../clock.ts";
import type { SchemaRefusal } from "../../db/schema.ts";
import { ApiError } from "../../errors.ts";
import { newUuid } from "../../ids.ts";
import { getBranch } from "../store.ts";
import { countReadings, deleteReading, findAnswer, insertReading, type SchemaQuestion } from "./store.ts";

export interface SchemaDeps {
  readonly clock: Clock;
  /** There may be work for the jobs. */
  readonly poke: () => void;
}

/** Neon's CLI waits for a minute. */
const WITHIN_MS = 55_000;
/** Of one project: each takes memory and a moment of PostgreSQL's. */
const MOST_WAITING = 8;

const REFUSALS: Record<SchemaRefusal, () => ApiError> = {
  database_missing: () => new ApiError("not_found", "database not found"),
  not_offered: () => new ApiError("not_offered", "schemas of this PostgreSQL version are not available in Latchkey"),
  restoring: () => new ApiError("locked", "the branch is being restored; try again once that is done"),
  unreadable: () =>
    new ApiError(
      "unavailable",
      "the schema could not be read: a table is locked, the compute did not start, or the schema is too large; try again",
    ),
};

/**
 * The schema of a database of a branch. Reading it takes PostgreSQL, and so the node that has the branch's
 * data: the question is a row, like all other work, and this waits for the answer.
 */
export async function readSchema(access: ProjectAccess, deps: SchemaDeps, question: SchemaQuestion): Promise<string> {
  const { current_state } = await getBranch(access, question.branch_id);
  if (current_state === "init") throw new ApiError("locked");
  if ((await countReadings(access)) >= MOST_WAITING) {
    throw new ApiError("rate_limited", "many schemas of the project are being read already; try again");
  }
  const id = newUuid();
  await insertReading(access, id, question);
  try {
    deps.poke();
    const found = await awaitAnswer(deps.clock, WITHIN_MS, () => findAnswer(access, id));
    if (found === "gone") throw new ApiError("not_found", "branch not found");
    if (found?.answer) return found.answer;
    throw REFUSALS[found?.refusal ?? "unreadable"]();
  } finally {
    await deleteReading(access, id);
  }
}

/** What has changed from a base branch, the parent unless one is named, in the form of `diff -u`; empty for nothing. */
export async function compareSchemas(
  access: ProjectAccess,
  deps: SchemaDeps,
  branch_id: string,
  base_branch_id: string | undefined,
  database_name: string,
): Promise<string> {
  const base_id = base_branch_id ?? (await getBranch(access, branch_id)).parent_id;
  if (base_id === undefined) {
    throw new ApiError("bad_request", 'the branch has no parent: name a branch in "base_branch_id"');
  }
  const read = (id: string) => readSchema(access, deps, { branch_id: id, database_name, format: "sql" });
  const [base, changed] = await Promise.all([read(base_id), read(branch_id)]);
  if (base === changed) return "";
  const names = [`a/${database_name}`, `b/${database_name}`] as const;
  return createTwoFilesPatch(...names, base, changed, undefined, undefined, { headerOptions: FILE_HEADERS_ONLY });
}
