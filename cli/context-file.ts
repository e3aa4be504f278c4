import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { isCode } from "./credentials/file-lock.ts";
import { CliError } from "./exit.ts";

/**
 * `.neon`: what a directory is linked to, in the file and form of Neon's CLI, so that both read the other's.
 * It is part of a repository that may be anybody's, so it never names a server or a credential.
 */
export interface LinkedContext {
  readonly orgId?: string;
  readonly projectId?: string;
  /** Name or id. */
  readonly branch?: string;
}

const NAME = ".neon";

/** The file that applies here: in this directory or the nearest above it; below the home directory only. */
export function findContextFile(given: string | undefined, start: string = process.cwd()): string {
  if (given !== undefined) return resolve(given);
  for (let directory = start; directory !== homedir(); directory = dirname(directory)) {
    const file = join(directory, NAME);
    if (existsSync(file)) return file;
    if (dirname(directory) === directory) break;
  }
  return join(start, NAME);
}

export async function readContextFile(file: string): Promise<LinkedContext> {
  let content: string;
  try {
    content = await readFile(file, "utf8");
  } catch (error) {
    // A directory of that name is not ours to judge.
    if (isCode(error, "ENOENT") || isCode(error, "EISDIR")) return {};
    throw error;
  }
  let parsed: Record<string, unknown> | null;
  try {
    parsed = content.trim() === "" ? {} : JSON.parse(content);
  } catch {
    throw new CliError("usage", `${file} is not JSON`, "write it anew with `latchkey link`");
  }
  const text = (name: string) => (typeof parsed?.[name] === "string" ? { [name]: parsed[name] as string } : {});
  const branch = parsed?.branch ?? parsed?.branchId;
  return { ...text("orgId"), ...text("projectId"), ...(typeof branch === "string" ? { branch } : {}) };
}

/** Keeps what other tools have put into the file. */
export async function writeContextFile(file: string, context: LinkedContext): Promise<void> {
  let kept: Record<string, unknown> = {};
  try {
    const { orgId, projectId, branch, branchId, ...others } = JSON.parse(await readFile(file, "utf8"));
    kept = others;
  } catch {
    // New, or not readable as JSON: replaced.
  }
  await writeFile(file, `${JSON.stringify({ ...context, ...kept }, null, 2)}\n`);
}
