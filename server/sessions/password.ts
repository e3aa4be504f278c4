import { hash, verify } from "@node-rs/argon2";

/** OWASP's figures for argon2id, the library's default algorithm: 19 MiB, two passes, one lane; about 20 ms. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** Hashes off the main thread. The result holds salt and cost, so that raising the cost leaves old hashes valid. */
export async function hashPassword(password: string): Promise<string> {
  return await hash(password, COST);
}

export async function isPasswordOf(stored: string, password: string): Promise<boolean> {
  return await verify(stored, password);
}
