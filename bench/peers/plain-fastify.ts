import Fastify from "fastify";

/**
 * Fastify as its documentation begins: the measure of all the others. The body is ours for an API key; the headers are those
 * of the second argument, as JSON, beside what the library and Node write themselves.
 */
const [port, headers_json = "{}"] = process.argv.slice(2);
const headers = JSON.parse(headers_json) as Record<string, string>;
const body = { account_id: "org-jolly-darkness-22664516", auth_method: "api_key_org" };

const app = Fastify();
app.get(
  "/api/v2/auth",
  {
    schema: {
      response: {
        200: { type: "object", properties: { account_id: { type: "string" }, auth_method: { type: "string" } } },
      },
    },
  },
  Object.keys(headers).length === 0 ? async () => body : async (_request, reply) => reply.headers(headers).send(body),
);
await app.listen({ host: "127.0.0.1", port: Number(port) });
process.stdout.write("ready\n");
process.on("SIGTERM", () => process.exit(0));
