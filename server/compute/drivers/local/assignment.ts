import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writePrivate } from "../../../postgres/files.ts";

/** Which branch a compute was last started on, kept on disk for the server that comes after us. */
export interface Assignment {
  readonly branch_id: string;
  readonly host: string;
  readonly port: number;
}

const fileOf = (folder: string) => join(folder, "compute.json");

/** In line, as what is asked of /proc next to it: all of them are looked at every two seconds. */
export function readAssignment(folder: string): Assignment | undefined {
  try {
    return JSON.parse(readFileSync(fileOf(folder), "utf8")) as Assignment;
  } catch (error) {
    // A loss of power may leave it empty; no compute has survived that.
    if (error instanceof SyntaxError) return undefined;
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

export async function writeAssignment(folder: string, assignment: Assignment): Promise<void> {
  await writePrivate(fileOf(folder), JSON.stringify(assignment));
}
