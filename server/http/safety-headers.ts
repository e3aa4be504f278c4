import helmet from "@fastify/helmet";
import Fastify from "fastify";

/**
 * The headers that keep browsers from harm, made once: they are the same for each answer. A page gets the
 * whole set of the library for that; JSON, which is never shown as a page, gets what concerns it.
 */
export async function safetyHeaders(public_url: string): Promise<Record<"api" | "page", Record<string, string>>> {
  const probe = Fastify();
  await probe.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        "default-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
      },
    },
    // Secrets never stand in a URL, but ids do, and they are nobody else's business.
    referrerPolicy: { policy: "no-referrer" },
    strictTransportSecurity: public_url.startsWith("https:") ? { maxAge: 31_536_000 } : false,
  });
  probe.get("/", async () => "");
  const answer = await probe.inject("/");
  await probe.close();
  const own = new Set(["content-type", "content-length", "date", "connection"]);
  const page = Object.fromEntries(
    Object.entries(answer.headers).flatMap(([name, value]) => (own.has(name) ? [] : [[name, String(value)]])),
  );
  const api: Record<string, string> = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  };
  const transport = page["strict-transport-security"];
  if (transport !== undefined) api["strict-transport-security"] = transport;
  return { api, page };
}
