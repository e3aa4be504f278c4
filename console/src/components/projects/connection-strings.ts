/** What a client needs to reach a database. */
export interface Target {
  readonly endpoint_id: string;
  /** With its port where it has one of its own. */
  readonly host: string;
  /** Through the compute's pooler. */
  readonly pooled: boolean;
  readonly role: string;
  readonly database: string;
  readonly password: string;
}

export interface Recipe {
  readonly id: string;
  readonly label: string;
  readonly write: (target: Target) => string;
}

/** Stands for a password that is not shown. */
export const HIDDEN_PASSWORD = "••••••••";

/** Where the compute or its pooler is: by name, or by an option where computes have no names, as the server writes it. */
function addressOf({ endpoint_id, host, pooled }: Target) {
  if (!pooled) return { host, option: "" };
  const pooler = `${endpoint_id}-pooler`;
  const named = host.replace(endpoint_id, pooler);
  return { host: named, option: named === host ? `&options=endpoint%3D${pooler}` : "" };
}

/** The string itself; as the server writes it, encrypted and bound to the server that proves the password. */
function uri(target: Target): string {
  const { role, database, password } = target;
  const { host, option } = addressOf(target);
  const [user, path] = [role, database].map(encodeURIComponent);
  const secret = password === HIDDEN_PASSWORD ? password : encodeURIComponent(password);
  return `postgresql://${user}:${secret}@${host}/${path}?sslmode=require&channel_binding=require${option}`;
}

/** With the names that Neon's tools give them. */
function env(target: Target): string {
  const direct = uri({ ...target, pooled: false });
  const lines = [`DATABASE_URL=${quoted(uri(target))}`];
  if (target.pooled) lines.push(`DATABASE_URL_UNPOOLED=${quoted(direct)}`);
  return lines.join("\n");
}

/** For shells: whatever the text holds, it stays one word and nothing in it is run. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

export const RECIPES: readonly Recipe[] = [
  { id: "uri", label: "Connection string", write: uri },
  { id: "psql", label: "psql", write: (target) => `psql ${quoted(uri(target))}` },
  { id: "env", label: ".env", write: env },
  {
    id: "node",
    label: "Node.js",
    write: (target) =>
      [
        `import pg from "pg";`,
        "",
        // Without the last word pg reads "require" as "verify the certificate's issuer too".
        `const client = new pg.Client(${JSON.stringify(`${uri(target)}&uselibpqcompat=true`)});`,
        "await client.connect();",
        `console.log((await client.query("select version()")).rows);`,
      ].join("\n"),
  },
  {
    id: "python",
    label: "Python",
    write: (target) =>
      [
        "import psycopg",
        "",
        `with psycopg.connect(${JSON.stringify(uri(target))}) as connection:`,
        `    print(connection.execute("select version()").fetchone())`,
      ].join("\n"),
  },
  {
    id: "go",
    label: "Go",
    write: (target) =>
      [
        // pgx binds the channel by itself where it can, and older versions send the word on to Postgres.
        `conn, err := pgx.Connect(context.Background(), ${JSON.stringify(uri(target).replace("&channel_binding=require", ""))})`,
        "if err != nil {",
        "\treturn err",
        "}",
        "defer conn.Close(context.Background())",
      ].join("\n"),
  },
  {
    id: "jdbc",
    label: "JDBC",
    write: (target) => {
      const { role, database, password } = target;
      const { host, option } = addressOf(target);
      const secret = password === HIDDEN_PASSWORD ? password : encodeURIComponent(password);
      const [user, path] = [role, database].map(encodeURIComponent);
      return `jdbc:postgresql://${host}/${path}?user=${user}&password=${secret}&sslmode=require&channelBinding=require${option}`;
    },
  },
];
