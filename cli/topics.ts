import { flag, type OptionSpec, type Topic, text } from "./command.ts";

/** Everything that can follow `latchkey`, in the order of its help. Names and aliases are those of Neon's CLI. */
export const TOPICS: readonly Topic[] = [
  {
    name: "auth",
    aliases: ["login"],
    summary: "Sign in, and keep the credential for later commands",
    load: () => import("./commands/auth.ts"),
  },
  {
    name: "profile",
    aliases: ["profiles"],
    summary: "Manage named sets of credentials",
    load: () => import("./commands/profile.ts"),
  },
  {
    name: "status",
    summary: "Show where commands go, as whom, and what is linked here",
    load: () => import("./commands/status.ts"),
  },
  { name: "me", summary: "Show the current user", load: () => import("./commands/me.ts") },
  { name: "api-keys", aliases: ["api-key"], summary: "Manage API keys", load: () => import("./commands/api-keys.ts") },
  { name: "orgs", aliases: ["org"], summary: "Manage organizations", load: () => import("./commands/orgs.ts") },
  {
    name: "members",
    aliases: ["member"],
    summary: "Manage members of an organization",
    load: () => import("./commands/members.ts"),
  },
  {
    name: "invitations",
    aliases: ["invitation"],
    summary: "Invite people into an organization",
    load: () => import("./commands/invitations.ts"),
  },
  { name: "projects", aliases: ["project"], summary: "Manage projects", load: () => import("./commands/projects.ts") },
  { name: "branches", aliases: ["branch"], summary: "Manage branches", load: () => import("./commands/branches.ts") },
  {
    name: "endpoints",
    aliases: ["endpoint", "compute"],
    summary: "Manage computes",
    load: () => import("./commands/endpoints.ts"),
  },
  {
    name: "databases",
    aliases: ["database", "db"],
    summary: "Manage databases",
    load: () => import("./commands/databases.ts"),
  },
  { name: "roles", aliases: ["role"], summary: "Manage roles", load: () => import("./commands/roles.ts") },
  {
    name: "operations",
    aliases: ["operation"],
    summary: "Show operations, and wait for them",
    load: () => import("./commands/operations.ts"),
  },
  {
    name: "connection-string",
    aliases: ["cs"],
    summary: "Get a connection string",
    load: () => import("./commands/connection-string.ts"),
  },
  { name: "psql", summary: "Connect to a database with psql", load: () => import("./commands/psql.ts") },
  { name: "link", summary: "Link this directory to a project", load: () => import("./commands/link.ts") },
  {
    name: "set-context",
    summary: "Write the context file as given, without checks",
    load: () => import("./commands/set-context.ts"),
  },
  { name: "api", summary: "Call any route of the API", load: () => import("./commands/api.ts") },
  {
    name: "completion",
    summary: "Print a completion script for your shell",
    load: () => import("./commands/completion.ts"),
  },
];

/** Options that every command takes, before or after its name. */
export const GLOBAL_OPTIONS = {
  output: text("Output format; default: table on a terminal, json in a pipe", {
    short: "o",
    choices: ["table", "json", "yaml"],
    value: "format",
  }),
  host: text("Server to talk to, such as http://127.0.0.1:4400", { value: "url" }),
  profile: text("Named credentials to use", { value: "name" }),
  "api-key": text("API key to use; better kept in NEON_API_KEY", { value: "key" }),
  "config-dir": text("Directory of profiles and credentials", { value: "dir" }),
  "context-file": text("Context file; default: .neon here or in a directory above", { value: "file" }),
  yes: flag("Do not ask: answer yes to every question", { short: "y" }),
  wait: flag("Return at once: do not wait for operations", { on: true }),
  color: flag("Do not colour the output", { on: true }),
  analytics: flag("Nothing: Latchkey sends no analytics", { on: true, hidden: true }),
} as const satisfies Record<string, OptionSpec>;

export type GlobalOptions = {
  readonly output: "table" | "json" | "yaml" | undefined;
  readonly host: string | undefined;
  readonly profile: string | undefined;
  readonly "api-key": string | undefined;
  readonly "config-dir": string | undefined;
  readonly "context-file": string | undefined;
  readonly yes: boolean;
  readonly wait: boolean;
  readonly color: boolean;
};
