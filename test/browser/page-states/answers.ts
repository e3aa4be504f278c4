/** What a server would answer that has more, or has had worse luck, than one that was started a minute ago. */
const NOW_MS = Date.now();
const HOUR_MS = 3_600_000;
const ago = (ms: number) => new Date(NOW_MS - ms).toISOString();
const uuid = (index: number) => `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`;
const times = <Item>(count: number, make: (index: number) => Item): Item[] =>
  Array.from({ length: count }, (_, index) => make(index));
const WORDS = ["storefront", "billing", "analytics", "preview", "search"];
const PEOPLE = ["Ada Lovelace", "Charles Babbage", "Grace Hopper", "Mary Somerville", "Annie Easley"];

export const INSTANCE = {
  version: "0.1.0",
  needs_setup: false,
  sign_up: "invitation",
  pools_connections: false,
  sends_mail: false,
};
export const NEW_INSTANCE = { ...INSTANCE, needs_setup: true };
export const CLOSED_INSTANCE = { ...INSTANCE, sign_up: "closed" };
export const INSTANCE_WITH_MAIL = { ...INSTANCE, sends_mail: true };

export const refusal = (message: string) => ({ request_id: uuid(1), code: "", message });

export function manyProjects(org_id: string, count: number) {
  const projects = times(count, (index) => ({
    id: `quiet-river-${String(12_345_678 + index)}`,
    name: `${WORDS[index % WORDS.length]}-${index + 1}`,
    org_id,
    pg_version: 18,
    created_at: ago(index * 5 * HOUR_MS),
  }));
  return { projects, applications: {}, integrations: {} };
}

export function manyMembers(count: number) {
  const members = times(count, (index) => ({
    member: {
      id: uuid(index),
      user_id: uuid(index),
      role: index % 7 === 0 ? "admin" : "member",
      joined_at: ago(index * 9 * HOUR_MS),
    },
    user: { name: `${PEOPLE[index % PEOPLE.length]} ${index + 1}`, email: `person-${index + 1}@example.com` },
  }));
  return { members };
}

export function manySessions(count: number) {
  const agents = [
    "Mozilla/5.0 (X11; Linux x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0",
  ];
  const sessions = times(count, (index) => ({
    id: uuid(index),
    created_at: ago(index * 3 * HOUR_MS),
    expires_at: ago(-(30 * 24 - index) * HOUR_MS),
    address: `192.0.2.${index % 250}`,
    user_agent: agents[index % agents.length],
    current: index === 0,
  }));
  return { sessions };
}

export function manyCommandLines(count: number) {
  const oauth_grants = times(count, (index) => ({
    id: index + 1,
    client: index % 2 ? { id: "neonctl", name: "Neon CLI" } : { id: "latchkey", name: "Latchkey CLI" },
    device_name: index % 3 ? `build-${index}` : "",
    scope: "openid offline_access",
    created_at: ago(index * 4 * HOUR_MS),
    created_from_addr: `192.0.2.${index % 250}`,
    expires_at: ago(-30 * 24 * HOUR_MS),
    last_used_at: index % 4 ? ago(index * HOUR_MS) : null,
    last_used_from_addr: index % 4 ? `198.51.100.${index % 250}` : "",
    last_used_user_agent: "",
    current: false,
  }));
  return { oauth_grants };
}

/** Deleted some hours to some days ago. */
export function manyDeleted(org_id: string, count: number) {
  const { projects, ...rest } = manyProjects(org_id, count);
  const gone = projects.map((project, index) => {
    const deleted_ms = NOW_MS - ((index * 7) % 160) * HOUR_MS;
    const recoverable_until = new Date(deleted_ms + 7 * 24 * HOUR_MS).toISOString();
    return { ...project, deleted_at: new Date(deleted_ms).toISOString(), recoverable_until };
  });
  return { projects: gone, ...rest };
}

/** The latest of two is under way or has failed. */
export function operations(project_id: string, status: "running" | "failed", branch_id = "br-x") {
  const at = new Date().toISOString();
  const shared = { project_id, branch_id, failures_count: 0, created_at: at, updated_at: at, total_duration_ms: 320 };
  const error = status === "failed" ? { error: "the compute did not start within 30 s" } : {};
  return {
    operations: [
      { ...shared, id: uuid(2), action: "start_compute", status, ...error },
      { ...shared, id: uuid(1), action: "create_timeline", status: "finished" },
    ],
  };
}

export function manyOperations(project_id: string, branch_id: string, count: number) {
  const actions = ["apply_config", "start_compute", "suspend_compute", "create_timeline"];
  const made = times(count, (index) => ({
    id: uuid(index + 1),
    project_id,
    branch_id,
    action: actions[index % actions.length],
    status: index % 9 === 4 ? "failed" : "finished",
    ...(index % 9 === 4 ? { error: "the compute did not start within 30 s" } : {}),
    failures_count: index % 9 === 4 ? 3 : 0,
    created_at: ago(index * 20 * 60_000 + 60_000),
    updated_at: ago(index * 20 * 60_000),
    total_duration_ms: 120 + ((index * 397) % 2400),
  }));
  return { operations: made };
}

export const SCHEMA_DIFF = `--- a/neondb
+++ b/neondb
@@ -24,9 +24,11 @@
 
 CREATE TABLE public.orders (
     id integer NOT NULL,
-    total numeric
+    total numeric(12,2) NOT NULL,
+    voucher text
 );
 
+COMMENT ON COLUMN public.orders.voucher IS 'Code that the customer typed, as it was typed; checked against public.vouchers when paid';
 
 ALTER TABLE public.orders OWNER TO neondb_owner;
`;
