import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Ajv, type ValidateFunction } from "ajv";
import formats from "ajv-formats";
import { parse } from "yaml";

/**
 * Neon's published OpenAPI document as a judge of our answers. It ships inside its API client and is read
 * from there, never copied. OpenAPI 3.0's `nullable` is understood by the validator as it stands.
 */
interface Operation {
  readonly operationId: string;
  readonly responses: Record<string, { $ref?: string; content?: unknown }>;
}

interface Document {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { responses: Record<string, unknown> };
}

const client = createRequire(import.meta.url).resolve("@neondatabase/api-client/package.json");
export const neonDocument = parse(
  readFileSync(join(dirname(client), "public-v2-for-users.gen.yaml"), "utf8"),
) as Document;

const ajv = formats.default(new Ajv({ strict: false, allErrors: true, validateFormats: true }));
for (const format of ["int", "int32", "int64", "uint64", "double"]) ajv.addFormat(format, true);
ajv.addSchema(neonDocument as object, "neon");

const METHODS = ["get", "post", "put", "patch", "delete"];
const escapePointer = (part: string) => part.replaceAll("~", "~0").replaceAll("/", "~1");

/** Every operation of the document: its id, method and path template, and whether its answer is a list of something. */
export const neonOperations = Object.entries(neonDocument.paths).flatMap(([path, item]) =>
  METHODS.filter((method) => item[method]).map((method) => ({
    id: item[method]?.operationId ?? "",
    method: method.toUpperCase(),
    path,
    pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, "[^/]+")}$`),
    is_list: method === "get" && isList(item[method]?.responses["200"]),
  })),
);

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly items?: unknown;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly allOf?: readonly unknown[];
  readonly content?: Readonly<Record<string, { readonly schema?: unknown }>>;
}

/** What the document says at a place, behind any references. */
function resolve(value: unknown): Schema {
  const { $ref } = (value ?? {}) as Schema;
  if ($ref === undefined) return (value ?? {}) as Schema;
  const found = $ref
    .slice(2)
    .split("/")
    .reduce<unknown>((inner, name) => (inner as Record<string, unknown>)[name], neonDocument);
  return resolve(found);
}

function isList(response: unknown): boolean {
  const hasThings = (value: unknown): boolean => {
    const { properties = {}, required = [], allOf = [] } = resolve(value);
    const areThings = (name: string) => {
      const { type, items } = resolve(properties[name]);
      return type === "array" && resolve(items).type !== "string";
    };
    return required.some(areThings) || allOf.some(hasThings);
  };
  return hasThings(resolve(response).content?.["application/json"]?.schema);
}

const validators = new Map<string, ValidateFunction | undefined>();

/** Fewest parameters first, so that `/branches/count` is not taken for a branch called "count". */
const byPrecision = [...neonOperations].sort((a, b) => a.path.split("{").length - b.path.split("{").length);

/** The document's operation at a concrete path such as `/projects/x-y-1`, if it has one. */
export function findOperation(method: string, path: string) {
  return byPrecision.find((operation) => operation.method === method && operation.pattern.test(path));
}

function validatorOf(method: string, path: string, status: number): ValidateFunction | undefined {
  const key = `${method} ${path} ${status}`;
  if (!validators.has(key)) {
    const responses = neonDocument.paths[path]?.[method.toLowerCase()]?.responses ?? {};
    const code = responses[status] ? String(status) : "default";
    let pointer = `#/paths/${escapePointer(path)}/${method.toLowerCase()}/responses/${code}`;
    const reference = responses[code]?.$ref;
    if (reference !== undefined) pointer = reference;
    const response = reference
      ? (neonDocument.components.responses[reference.split("/").pop() ?? ""] as { content?: unknown })
      : responses[code];
    validators.set(
      key,
      response?.content ? ajv.compile({ $ref: `neon${pointer}/content/application~1json/schema` }) : undefined,
    );
  }
  return validators.get(key);
}

/**
 * Throws unless an answer is what Neon's document allows for its operation and status. A status that the
 * document does not list must be an error: a client that follows the document would not know what to do.
 */
export function assertLikeNeon(method: string, path: string, status: number, body: unknown): void {
  const operation = findOperation(method, path);
  if (!operation) return;
  const listed = neonDocument.paths[operation.path]?.[method.toLowerCase()]?.responses ?? {};
  if (status < 400 && !listed[status]) {
    throw new Error(`${method} ${operation.path}: Neon does not answer ${status} (but ${Object.keys(listed)})`);
  }
  const validate = validatorOf(method, operation.path, status);
  if (validate && !validate(body)) {
    throw new Error(`${method} ${operation.path} ${status}: ${ajv.errorsText(validate.errors, { separator: "\n  " })}`);
  }
}
