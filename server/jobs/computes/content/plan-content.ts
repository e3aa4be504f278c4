import type { DatabaseSpec, PresentContent } from "../../../compute/driver.ts";
import type { Content, ContentDatabase, ContentRole } from "./store.ts";

/** What a compute is told. */
export interface Plan {
  /** To be made, or to be given the password and login of their rows. */
  readonly roles: readonly ContentRole[];
  readonly databases: readonly DatabaseSpec[];
  readonly absent: { readonly roles: readonly string[]; readonly databases: readonly string[] };
  /** What cannot be done, for people: with SQL something else has been done to the same thing. */
  readonly conflicts: readonly string[];
}

/**
 * What the API has changed that a compute does not have yet, and nothing else: of everything else the compute knows better.
 * A thing that has been seen there is that very thing, whatever its name is by now. It is not made again when SQL has
 * dropped it, for whoever did that would have it back with all of its rights.
 */
export function planContent(content: Content, present: PresentContent): Plan {
  const isNew = ({ revision }: { revision: number }) => revision > content.applied_revision;
  const conflicts: string[] = [];
  const refuse = (what: string, name: string, reason: string): [] => {
    conflicts.push(`the ${what} ${JSON.stringify(name)} ${reason}`);
    return [];
  };

  const find = finder(present.roles);
  const new_roles = content.roles.filter(isNew);
  const roles = new_roles.filter(isWanted).flatMap((role): ContentRole[] => {
    const found = find(role.oid, role.name);
    if (role.oid !== null && !found) return refuse("role", role.name, "was dropped with SQL");
    if (found && found.name !== role.name) {
      return refuse("role", role.name, `was renamed with SQL, to ${JSON.stringify(found.name)}`);
    }
    return [role];
  });

  const findDatabase = finder(present.databases);
  const owners = new Set([...present.roles, ...roles].map(({ name }) => name));
  const new_databases = content.databases.filter(isNew);
  const databases = new_databases.filter(isWanted).flatMap((database): DatabaseSpec[] => {
    const { oid, name, former_name, owner_name } = database;
    const found = findDatabase(oid, former_name ?? name);
    if (oid !== null && !found) return refuse("database", former_name ?? name, "was dropped with SQL");
    const renamed = found !== undefined && found.name !== name;
    if (renamed && findDatabase(null, name)) return refuse("database", name, "was made with SQL by that name");
    const given = found?.owner !== owner_name;
    if (given && !owners.has(owner_name)) {
      return refuse("database", name, `cannot be given to ${JSON.stringify(owner_name)}, which is there no more`);
    }
    return [{ name, ...(given ? { owner: owner_name } : {}), ...(renamed ? { former_name: found.name } : {}) }];
  });

  // One that was renamed and then deleted before the compute heard of either has its former name there.
  const nameOf = (row: ContentDatabase) => findDatabase(row.oid, row.former_name ?? row.name)?.name;
  const absent = {
    roles: new_roles.filter(isDeleted).flatMap(({ oid, name }) => find(oid, name)?.name ?? []),
    databases: new_databases.filter(isDeleted).flatMap((row) => nameOf(row) ?? []),
  };
  return { roles, databases, absent, conflicts };
}

const isWanted = ({ deleted_at }: { readonly deleted_at: string | null }) => deleted_at === null;
const isDeleted = ({ deleted_at }: { readonly deleted_at: string | null }) => deleted_at !== null;

/** For a compute that has never been told anything, so that nobody has been in it: everything goes by its name. */
export function planFirstContent({ roles, databases }: Content): Plan {
  return {
    roles: roles.filter(isWanted),
    databases: databases.filter(isWanted).map(({ name, owner_name: owner, former_name }) => {
      return { name, owner, ...(former_name === null ? {} : { former_name }) };
    }),
    absent: {
      roles: roles.filter(isDeleted).map(({ name }) => name),
      databases: databases.filter(isDeleted).map(({ name, former_name }) => former_name ?? name),
    },
    conflicts: [],
  };
}

/** By what it is, or by name what has not been seen yet. */
function finder<T extends { readonly oid: number; readonly name: string }>(things: readonly T[]) {
  const by_oid = new Map(things.map((thing) => [thing.oid, thing]));
  const by_name = new Map(things.map((thing) => [thing.name, thing]));
  return (oid: number | null, name: string) => (oid === null ? by_name.get(name) : by_oid.get(oid));
}
