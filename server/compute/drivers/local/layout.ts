import { join } from "node:path";
import { checkId } from "../../names.ts";

/**
 * The local driver: branches are data directories on this machine's disk, computes are PostgreSQL processes
 * of ours. It owns `<dataDir>/local/` and nothing else. This file says what is where.
 */
export interface Layout {
  readonly root: string;
  readonly lock: string;
  /** Work in progress; emptied when the driver opens. */
  readonly work: string;
  readonly templates: string;
  readonly spares: string;
  readonly branches: string;
  readonly computes: string;
  readonly extensions: string;
  readonly tls: string;
}

export function layoutOf(dataDir: string): Layout {
  const root = join(dataDir, "local");
  const at = (name: string) => join(root, name);
  return {
    root,
    lock: at("lock"),
    work: at("work"),
    templates: at("templates"),
    spares: at("spares"),
    branches: at("branches"),
    computes: at("computes"),
    extensions: at("extensions"),
    tls: at("tls"),
  };
}

/** The folder of a template, a spare copy of it, or a branch: the same in all three, so that they can be renamed. */
export const dataOf = (folder: string) => join(folder, "data");

/**
 * The superuser password that a branch got from the template, until its first start sets its own. Readable
 * by us and not by PostgreSQL's account.
 */
export const firstPasswordOf = (folder: string) => join(folder, "first-password");

/** Where a branch says what it was cloned from; readable by us and not by PostgreSQL's account. */
export const originOf = (folder: string) => join(folder, "origin.json");

/** Joins an id to a folder. Throws `id_refused`. */
export function folderOf(parent: string, id: string): string {
  checkId(id);
  return join(parent, id);
}
