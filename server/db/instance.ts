import { newUuid } from "../ids.ts";
import type { Db } from "./pool.ts";

/**
 * The row that says which instance this database is; made at the first start. Throws when the database was
 * made with another secret key, before anything is read or written that the key protects.
 */
export async function readInstance(db: Db, secret_key_fingerprint: string): Promise<{ id: string }> {
  await db
    .insertInto("instance")
    .values({ id: newUuid(), secret_key_fingerprint })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const instance = await db.selectFrom("instance").select(["id", "secret_key_fingerprint"]).executeTakeFirstOrThrow();
  if (instance.secret_key_fingerprint !== secret_key_fingerprint) {
    throw new Error(
      "this database was made with another secret key; set LATCHKEY_SECRET_KEY to that one " +
        "(it is in the file secret-key of the data directory that the database was first used with)",
    );
  }
  return { id: instance.id };
}
