import { hash, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import type { ExternalDatabase } from "../test/harness/external-database.ts";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BATCH = 20_000;

/**
 * Organization keys, quickly and by the million: well formed, and less evenly drawn than the product's own,
 * which nothing here depends on.
 */
function makeToken(): string {
  const random = randomBytes(43);
  let body = "lk_org_";
  for (let i = 0; i < 43; i++) body += ALPHABET[(random[i] ?? 0) % 62];
  let checksum = "";
  for (let rest = crc32(body), i = 0; i < 6; i++, rest = Math.floor(rest / 62))
    checksum = ALPHABET[rest % 62] + checksum;
  return body + checksum;
}

export interface Owner {
  readonly user_id: string;
  readonly org_id: string;
}

/** Inserts keys and writes their tokens to a file. */
export async function insertKeys(database: ExternalDatabase, owner: Owner, count: number, file: string): Promise<void> {
  const lines: string[] = [];
  for (let from = 0; from < count; from += BATCH) {
    const tokens = Array.from({ length: Math.min(BATCH, count - from) }, makeToken);
    await database.query(
      `insert into api_keys (kind, org_id, name, token_digest, hint, created_by)
       select 'org', $1, gen_random_uuid()::text, digest, 'hint', $2 from unnest($3::bytea[]) as made (digest)`,
      [owner.org_id, owner.user_id, tokens.map((token) => hash("sha256", token, "buffer"))],
    );
    lines.push(`${tokens.join("\n")}\n`);
  }
  writeFileSync(file, lines.join(""));
}

/** Fills the table up with keys that nobody presents. */
export async function insertStrangers(database: ExternalDatabase, owner: Owner, count: number): Promise<void> {
  for (let from = 0; from < count; from += 500_000) {
    await database.query(
      `insert into api_keys (kind, org_id, name, token_digest, hint, created_by)
       select 'org', $1, gen_random_uuid()::text, sha256(gen_random_uuid()::text::bytea), 'hint', $2
       from generate_series(1, $3)`,
      [owner.org_id, owner.user_id, Math.min(500_000, count - from)],
    );
  }
}
