import { createHash } from "node:crypto";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writePrivate } from "../../../postgres/files.ts";
import { isAlive, type ProcessIdentity } from "../../../postgres/process.ts";
import type { BranchOrigin, PresentDatabase, RoleSpec } from "../../driver.ts";
import { checkId } from "../../names.ts";

/** What a branch of the fake has: no data, but what the control plane has put there. */
export interface FakeBranch {
  readonly pg_version: number;
  readonly origin?: BranchOrigin;
  /** Set by the first start, as the real superuser's is. */
  readonly admin_digest?: string;
  readonly roles: readonly (RoleSpec & { readonly oid: number })[];
  readonly databases: readonly PresentDatabase[];
}

export interface FakeCompute {
  readonly branch_id: string;
  readonly host: string;
  readonly port: number;
  /** Of the spec that it was started with, secrets left out. */
  readonly shape: string;
  /** The process that it ends with, unlike a real one; undefined: it is stopped. */
  readonly holder?: ProcessIdentity | undefined;
  /** Another number with each start. */
  readonly run: number;
  readonly started_at: string;
}

/** Things of one kind, each a file that is there whole or not at all. */
export class Shelf<T> {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async find(id: string): Promise<T | undefined> {
    const text = await readFile(this.#path(id), "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    return text === undefined ? undefined : (JSON.parse(text) as T);
  }

  async put(id: string, thing: T): Promise<void> {
    await writePrivate(this.#path(id), JSON.stringify(thing));
  }

  async remove(id: string): Promise<void> {
    await rm(this.#path(id), { force: true });
  }

  async ids(): Promise<string[]> {
    const names = await readdir(this.#directory);
    return names.flatMap((name) => (name.endsWith(".json") ? [name.slice(0, -".json".length)] : []));
  }

  #path(id: string): string {
    checkId(id);
    return join(this.#directory, `${id}.json`);
  }
}

export const runs = ({ holder }: FakeCompute): boolean => holder !== undefined && isAlive(holder);

export const digestOf = (secret: string): string => createHash("sha256").update(secret).digest("hex");
