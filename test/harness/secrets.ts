import { readdirSync, readFileSync } from "node:fs";
import { lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type pg from "pg";
import { tablesOf } from "./metadata.ts";

/**
 * Every secret that a run has issued or been given, and a look for all of them in a text. A secret is looked
 * for as it is and in the forms in which careless code lets it out: URL-encoded, base64, hex.
 */
export class Secrets {
  readonly #known = new Map<string, string>();

  /** Remembers a secret; what is shorter than 12 characters would be found everywhere by chance. */
  add(what: string, secret: string): void {
    if (secret.length < 12) throw new Error(`${what} is too short to be looked for`);
    this.#known.set(secret, what);
  }

  get size(): number {
    return this.#known.size;
  }

  /** The names of the secrets that are in a text. */
  foundIn(text: string): string[] {
    return [...this.#known].flatMap(([secret, what]) => {
      const form = Object.entries(formsOf(secret)).find(([, written]) => text.includes(written));
      return form ? [`${what} (${form[0]})`] : [];
    });
  }
}

function formsOf(secret: string): Record<string, string> {
  const bytes = Buffer.from(secret);
  return {
    plain: secret,
    "URL-encoded": encodeURIComponent(secret),
    base64: bytes.toString("base64").replace(/=+$/, ""),
    base64url: bytes.toString("base64url"),
    hex: bytes.toString("hex"),
  };
}

/**
 * Everything in the metadata database as text: each table of each schema in COPY's text format, bytea both
 * as hex and decoded, and the definitions that may hold literals. `pg_dump` would do, but a client older
 * than the server refuses, and the machine's often is; the owner of the tables sees all that it would dump.
 */
export async function dumpDatabase(client: pg.Client): Promise<string> {
  const parts: string[] = [];
  for (const table of await tablesOf(client)) {
    const { rows } = await client.query<{ row: Record<string, unknown> }>(`select to_jsonb(t) as row from ${table} t`);
    parts.push(`-- ${table}: ${rows.length} rows`);
    for (const { row } of rows) {
      parts.push(JSON.stringify(row));
      for (const value of Object.values(row)) {
        if (typeof value === "string" && /^\\x([0-9a-f]{2})+$/.test(value)) {
          parts.push(Buffer.from(value.slice(2), "hex").toString("latin1"));
        }
      }
    }
  }
  const { rows: definitions } = await client.query<{ text: string | null }>(
    `select pg_get_expr(adbin, adrelid) as text from pg_attrdef
     union all select pg_get_constraintdef(oid) from pg_constraint
     union all select prosrc from pg_proc p join pg_namespace n on n.oid = p.pronamespace
       where n.nspname not in ('pg_catalog', 'information_schema')
     union all select description from pg_description where objoid >= 16384
     union all select query from pg_stat_activity where query is not null`,
  );
  return [...parts, ...definitions.map(({ text }) => text ?? "")].join("\n");
}

/** The command lines of all processes of the machine: anybody on it can read them. */
export function commandLines(): string {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      } catch {
        return "";
      }
    })
    .join("\n");
}

const LARGEST_FILE = 64 * 2 ** 20;

/**
 * Texts of the files below a directory that the given test of mode admits, by path. Directories that others
 * cannot enter hide what is in them, whatever the modes inside say.
 */
export async function readFiles(
  directory: string,
  isReadable: (mode: number, path: string) => boolean,
  enter: (mode: number) => boolean,
): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  const walk = async (path: string): Promise<void> => {
    for (const name of await readdir(path)) {
      const at = join(path, name);
      const stat = await lstat(at).catch(() => undefined);
      if (stat?.isDirectory() && enter(stat.mode)) await walk(at);
      else if (stat?.isFile() && stat.size < LARGEST_FILE && isReadable(stat.mode, at)) {
        texts.set(at, await readFile(at, "latin1"));
      }
    }
  };
  await walk(directory);
  return texts;
}
