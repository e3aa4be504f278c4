import { writeFileSync } from "node:fs";
import { apiKey } from "@better-auth/api-key";
import { redisStorage } from "@better-auth/redis-storage";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import Fastify from "fastify";
import { Redis } from "ioredis";
import pg from "pg";

/**
 * Better Auth's api-key plugin behind the same Fastify and on the same PostgreSQL: with its defaults (but for
 * the limit of ten uses a day, which would end the measurement), and with its fastest setting, secondary
 * storage: in Redis, as it documents, or in a map of the process, which only one process could use.
 */
const [port, setting, tokens_file = "", database_url, redis_port] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: database_url, max: 10 });
const memory = new Map<string, string>();
const map = {
  get: async (key: string) => memory.get(key) ?? null,
  set: async (key: string, value: string) => {
    memory.set(key, value);
  },
  delete: async (key: string) => {
    memory.delete(key);
  },
  getAndDelete: async (key: string) => {
    const value = memory.get(key) ?? null;
    memory.delete(key);
    return value;
  },
  increment: async (key: string) => {
    const value = Number(memory.get(key) ?? 0) + 1;
    memory.set(key, String(value));
    return value;
  },
};
const storage =
  setting === "redis" ? redisStorage({ client: new Redis(Number(redis_port)) }) : setting === "map" ? map : undefined;
const auth = betterAuth({
  baseURL: `http://127.0.0.1:${port}`,
  secret: "a secret of thirty-two characters, at least",
  database: pool,
  telemetry: { enabled: false },
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  ...(storage ? { secondaryStorage: storage } : {}),
  plugins: [
    apiKey(
      storage
        ? { storage: "secondary-storage", rateLimit: { enabled: false } }
        : { rateLimit: { enabled: true, timeWindow: 86_400_000, maxRequests: 1_000_000_000 } },
    ),
  ],
});
await (await getMigrations(auth.options)).runMigrations();
const { user } = await auth.api.signUpEmail({
  body: { email: `${setting}-${Date.now()}@example.com`, password: "a long password", name: "Ada" },
});
const keys: string[] = [];
for (let i = 0; i < 1_000; i++) keys.push((await auth.api.createApiKey({ body: { userId: user.id } })).key);
writeFileSync(tokens_file, `${keys.join("\n")}\n`);

const app = Fastify();
app.get("/api/v2/auth", async (request, reply) => {
  const key = (request.headers.authorization ?? "").slice(7);
  const { valid, key: found } = await auth.api.verifyApiKey({ body: { key } });
  if (!valid || !found) return await reply.code(401).send({ message: "unauthorized" });
  return { account_id: found.referenceId, auth_method: "api_key_org" };
});
await app.listen({ host: "127.0.0.1", port: Number(port) });
process.stdout.write("ready\n");
process.on("SIGTERM", () => process.exit(0));
