import { writeFileSync } from "node:fs";
import { apiKey } from "@better-auth/api-key";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import Fastify from "fastify";
import pg from "pg";

/**
 * Better Auth's api-key plugin behind the same Fastify and on the same PostgreSQL: with its defaults (but for
 * the limit of ten uses a day, which would end the measurement), and with its fastest setting, secondary
 * storage. That is a map in the process here, which flatters it: Redis would cost a round trip.
 */
const [port, setting, tokens_file = "", database_url] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: database_url, max: 10 });
const memory = new Map<string, string>();
const auth = betterAuth({
  baseURL: `http://127.0.0.1:${port}`,
  secret: "a secret of thirty-two characters, at least",
  database: pool,
  telemetry: { enabled: false },
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  ...(setting === "fastest"
    ? {
        secondaryStorage: {
          get: async (key: string) => memory.get(key) ?? null,
          set: async (key: string, value: string) => {
            memory.set(key, value);
          },
          delete: async (key: string) => {
            memory.delete(key);
          },
        },
      }
    : {}),
  plugins: [
    apiKey(
      setting === "fastest"
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
