import { SUPERUSER } from "../../../postgres/data-directory.ts";
import type { PresentContent, PresentDatabase, PresentRole } from "../../driver.ts";
import { GROUP, isReservedDatabase, isReservedRole, LOADER, LOADING, MAINTENANCE_DATABASE } from "../../names.ts";
import { type AdminAddress, asAdmin } from "./admin.ts";

/** For `pg_authid` and `pg_roles`: those that are neither ours nor PostgreSQL's. */
export const OF_PEOPLE = `rolname <> ALL ('{${[SUPERUSER, GROUP, LOADER, LOADING].join()}}') AND rolname !~ '^pg_' AND NOT rolsuper`;

/** Who makes more of them than this must not make us keep them all. */
const MOST = 5_000;

/** -2 is what a database has for a limit whose deletion was cut off: nobody can get in, and nothing but that is left to be done. */
const CONTENT = `
  SELECT
    (SELECT coalesce(json_agg(r), '[]') FROM (
      SELECT oid::bigint AS oid, rolname AS name, rolcanlogin AS login,
        CASE WHEN rolpassword LIKE 'SCRAM-SHA-256$%' THEN rolpassword END AS verifier,
        coalesce(rolvaliduntil <= now(), false) AS expired
      FROM pg_authid WHERE ${OF_PEOPLE} ORDER BY oid LIMIT $1) r) AS roles,
    (SELECT coalesce(json_agg(d), '[]') FROM (
      SELECT oid::bigint AS oid, datname AS name, pg_get_userbyid(datdba) AS owner
      FROM pg_database WHERE datconnlimit <> -2 ORDER BY oid LIMIT $1) d) AS databases`;

/** What people have in a compute, in one look: everything of the same moment. */
export async function readContent(address: AdminAddress): Promise<PresentContent> {
  const { rows } = await asAdmin(address, MAINTENANCE_DATABASE, (session) =>
    session.query<{ roles: PresentRole[]; databases: PresentDatabase[] }>(CONTENT, [MOST]),
  );
  const { roles = [], databases = [] }: Partial<PresentContent> = rows[0] ?? {};
  return {
    roles: roles.filter((role) => isLegible(role) && !isReservedRole(role.name)),
    databases: databases.filter((database) => isLegible(database) && !isReservedDatabase(database.name)),
    complete: roles.length < MOST && databases.length < MOST,
  };
}

/** A name written in a database of another encoding is bytes that mean nothing here, so it cannot be told. */
const isLegible = ({ name }: { readonly name: string }) => !name.includes("\ufffd");
