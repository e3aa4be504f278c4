import type { Annotation, AnnotationValue } from "@latchkey/contract/annotations.ts";
import type { ProjectAccess } from "../../access/handles.ts";

/** What the tools that made branches have noted about them. Nothing here depends on it; they read it again. */

/** The branch's row must be there. Nothing noted is nothing kept. */
export async function insertAnnotation(
  { tx }: ProjectAccess,
  branch_id: string,
  value: AnnotationValue = {},
): Promise<void> {
  if (Object.keys(value).length === 0) return;
  await tx
    .insertInto("branch_annotations")
    .values({ branch_id, value: JSON.stringify(value) })
    .execute();
}

/** By branch, those that have one. */
export async function findAnnotations(
  { tx }: ProjectAccess,
  branch_ids: readonly string[],
): Promise<Record<string, Annotation>> {
  if (branch_ids.length === 0) return {};
  const rows = await tx.selectFrom("branch_annotations").selectAll().where("branch_id", "in", branch_ids).execute();
  return Object.fromEntries(
    rows.map(({ branch_id, value, created_at }) => [
      branch_id,
      // Neon has no way to change one either.
      { object: objectOf(branch_id), value, created_at, updated_at: created_at },
    ]),
  );
}

export async function getAnnotation(access: ProjectAccess, branch_id: string): Promise<Annotation> {
  const found = await findAnnotations(access, [branch_id]);
  return found[branch_id] ?? { object: objectOf(branch_id), value: {} };
}

const objectOf = (id: string) => ({ type: "console/branch", id });
