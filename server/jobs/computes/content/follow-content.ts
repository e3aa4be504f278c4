import type { PresentContent, PresentDatabase, PresentRole } from "../../../compute/driver.ts";
import type { ContentDatabase, ContentRole, ContentRows } from "./store.ts";

/** What must become of the rows of a branch for them to say what its compute has. */
export interface Following {
  readonly roles: Changes<ContentRole, PresentRole>;
  readonly databases: Changes<ContentDatabase, PresentDatabase>;
}

export interface Changes<Row, Present> {
  /** Not there any more. */
  readonly gone: readonly Row[];
  /** Not what their rows say. */
  readonly changed: readonly (readonly [Row, Present])[];
  /** Without a row. */
  readonly made: readonly Present[];
}

/**
 * Compares rows with what a compute had when its content was of the revision `as_of`. What the API has changed since is
 * newer than what was seen, so neither such a row is touched nor whatever it may stand for.
 */
export function followContent(rows: ContentRows, present: PresentContent, as_of: number): Following {
  const { complete } = present;
  return {
    roles: compare(rows.roles, present.roles, { as_of, complete, isSame: isSameRole }),
    databases: compare(rows.databases, present.databases, { as_of, complete, isSame: isSameDatabase }),
  };
}

function isSameRole(row: ContentRole, { oid, name, login, verifier }: PresentRole): boolean {
  return row.oid === oid && row.name === name && row.can_login === login && row.verifier === verifier;
}

function isSameDatabase(row: ContentDatabase, { oid, name, owner }: PresentDatabase): boolean {
  return row.oid === oid && row.name === name && row.owner_name === owner;
}

/** Whether the password that the API gave a role is what lets it in. */
export function isPasswordKept(row: ContentRole, { verifier }: PresentRole): boolean {
  return verifier !== null && (row.verifier === null || row.verifier === verifier);
}

interface AnyRow {
  readonly name: string;
  readonly former_name?: string | null;
  readonly oid: number | null;
  readonly revision: number;
}

interface Comparison<Row, Present> {
  readonly as_of: number;
  readonly complete: boolean;
  readonly isSame: (row: Row, present: Present) => boolean;
}

function compare<Row extends AnyRow, Present extends { readonly oid: number; readonly name: string }>(
  rows: readonly Row[],
  present: readonly Present[],
  { as_of, complete, isSame }: Comparison<Row, Present>,
): Changes<Row, Present> {
  const newer = rows.filter(({ revision }) => revision > as_of);
  const settled = rows.filter(({ revision }) => revision <= as_of);
  const left_alone = {
    oids: new Set(newer.map(({ oid }) => oid)),
    names: new Set(newer.flatMap(({ name, former_name }) => [name, former_name])),
  };
  const free = new Map(
    present
      .filter(({ oid, name }) => !left_alone.oids.has(oid) && !left_alone.names.has(name))
      .map((thing) => [thing.oid, thing]),
  );
  const pairs: [Row, Present | undefined][] = [];
  const take = (row: Row, found: Present | undefined) => {
    if (found) free.delete(found.oid);
    pairs.push([row, found]);
  };
  // First those that are known for what they are: names may have changed hands.
  for (const row of settled) if (row.oid !== null) take(row, free.get(row.oid));
  const by_name = new Map([...free.values()].map((thing) => [thing.name, thing]));
  for (const row of settled) if (row.oid === null) take(row, by_name.get(row.name));
  return {
    gone: complete ? pairs.flatMap(([row, found]) => (found ? [] : [row])) : [],
    changed: pairs.flatMap(([row, found]) => (found && !isSame(row, found) ? [[row, found] as const] : [])),
    made: [...free.values()],
  };
}
