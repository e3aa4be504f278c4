import { readFile } from "node:fs/promises";
import { type Answer, ApiError } from "@latchkey/sdk";
import { type CommandFile, command, flag, list, text } from "../command.ts";
import { CliError } from "../exit.ts";
import { readStdin } from "../terminal/terminal.ts";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/** What says who calls belongs to the credential that was chosen for this host, and to nothing else. */
const CREDENTIAL_HEADERS = new Set(["authorization", "cookie", "host"]);

const self = command({
  name: "api",
  summary: "Call any route of the API: METHOD PATH, or PATH with -X",
  args: {
    method: { summary: "GET, POST, PUT, PATCH or DELETE; default: GET, or POST with a body", choices: METHODS },
    path: { summary: "Path such as /projects, with or without /api/v2 before it" },
  },
  options: {
    method: text("HTTP method", { short: "X" }),
    field: list("Field of the body, key=value; dots nest; numbers, booleans, null and JSON keep their type", {
      short: "F",
      value: "key=value",
    }),
    "raw-field": list("Field of the body whose value stays a string", { short: "f", value: "key=value" }),
    data: text("The body: JSON, @file, or - for standard input", { short: "d" }),
    query: list("Query parameter", { short: "Q", value: "key=value" }),
    header: list("Further request header", { short: "H", value: "key:value" }),
    include: flag("Print status and headers of the answer first", { short: "i" }),
  },
  examples: [
    ["latchkey api GET /projects -Q org_id=org-plain-forest-12345678", "List the projects of an organization"],
    ["latchkey api POST /api_keys -F key_name=ci", "Create a key"],
    ["latchkey api /projects/plain-forest-12345678 -X PATCH -F project.name=shop", "As in Neon's CLI"],
  ],
  async run(invocation, { args, options }) {
    const [method_word, path_word] = args.path === undefined ? [undefined, args.method] : [args.method, args.path];
    if (path_word === undefined) throw new CliError("usage", "which path?", "such as `latchkey api GET /projects`");
    const body = await bodyOf(options);
    const method = (options.method ?? method_word ?? (body === undefined ? "GET" : "POST")).toUpperCase();
    if (!METHODS.includes(method)) throw new CliError("usage", `${method} is no method of the API`, METHODS.join(", "));
    const path = pathOf(path_word);
    const query = new URLSearchParams(path.search);
    for (const pair of options.query) query.append(...splitPair(pair, "=", "--query"));

    const request = {
      method,
      path: query.size === 0 ? path.pathname : `${path.pathname}?${query}`,
      body,
      headers: headersOf(options.header),
      signal: invocation.signal,
    };
    const response = await invocation.working(`${method} ${path.pathname}`, (client) => client.request(request));
    if (options.include) await invocation.write(headOf(response));
    await invocation.write(await shownAs(response.text, invocation.global.output === "yaml"));
  },
});

function pathOf(word: string): URL {
  if (/^[a-z]+:/i.test(word))
    throw new CliError("usage", "a path is expected, not a URL", "the server is named with --host");
  const path = `/${word.replace(/^\/+/, "")}`.replace(/^\/api\/v2(?=\/|$)/, "");
  return new URL(path || "/", "http://path.invalid");
}

interface BodyOptions {
  readonly data: string | undefined;
  readonly field: readonly string[];
  readonly "raw-field": readonly string[];
}

async function bodyOf({ data, field, "raw-field": raw_field }: BodyOptions): Promise<unknown> {
  if (data !== undefined) {
    const content =
      data === "-" ? await readStdin("the body") : data.startsWith("@") ? await readBody(data.slice(1)) : data;
    try {
      return JSON.parse(content);
    } catch {
      throw new CliError("usage", "the body is not JSON");
    }
  }
  if (field.length === 0 && raw_field.length === 0) return undefined;
  const body: Record<string, unknown> = {};
  for (const pair of field) setField(body, ...typed(splitPair(pair, "=", "--field")));
  for (const pair of raw_field) setField(body, ...splitPair(pair, "=", "--raw-field"));
  return body;
}

async function readBody(file: string): Promise<string> {
  return await readFile(file, "utf8").catch((error: Error) => {
    throw new CliError("usage", `the body cannot be read: ${error.message}`);
  });
}

function typed([key, value]: [string, string]): [string, unknown] {
  try {
    return [key, JSON.parse(value)];
  } catch {
    return [key, value];
  }
}

function splitPair(pair: string, separator: string, option: string): [string, string] {
  const at = pair.indexOf(separator);
  if (at < 1) throw new CliError("usage", `${option} takes key${separator}value, not ${pair}`);
  return [pair.slice(0, at), pair.slice(at + 1)];
}

/** `branch.name` sets `name` in the object `branch`. */
export function setField(body: Record<string, unknown>, key: string, value: unknown): void {
  const names = key.split(".");
  const last = names.pop() ?? "";
  let object = body;
  for (const name of names) {
    // Own properties only: "__proto__" is a name like another here.
    const inner = Object.hasOwn(object, name) ? object[name] : undefined;
    const next = typeof inner === "object" && inner !== null ? (inner as Record<string, unknown>) : {};
    define(object, name, next);
    object = next;
  }
  define(object, last, value);
}

function define(object: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

function headersOf(pairs: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const pair of pairs) {
    const [name, value] = splitPair(pair, ":", "--header");
    if (CREDENTIAL_HEADERS.has(name.trim().toLowerCase())) {
      throw new CliError(
        "usage",
        `--header does not take ${name.trim()}`,
        "credentials are given with NEON_API_KEY or `latchkey auth`",
      );
    }
    headers[name.trim()] = value.trim();
  }
  return headers;
}

function headOf(response: Answer): string {
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}\n`);
  return `HTTP ${response.status}\n${headers.join("")}\n`;
}

async function shownAs(answer: string, yaml: boolean): Promise<string> {
  if (answer === "") return "";
  let parsed: unknown;
  try {
    parsed = JSON.parse(answer);
  } catch {
    throw new ApiError({ status: 200, code: "NOT_JSON", message: "the answer is not JSON", request_id: "" });
  }
  if (!yaml) return `${JSON.stringify(parsed, null, 2)}\n`;
  const { stringify } = await import("yaml");
  return stringify(parsed);
}

export default { self } satisfies CommandFile;
