import Fastify from "fastify";

/** Fastify as its documentation begins: the measure of all the others. The response is ours for an API key. */
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
  async () => ({ account_id: "org-jolly-darkness-22664516", auth_method: "api_key_org" }),
);
await app.listen({ host: "127.0.0.1", port: Number(process.argv[2]) });
process.stdout.write("ready\n");
process.on("SIGTERM", () => process.exit(0));
