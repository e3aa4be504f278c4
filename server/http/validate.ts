import { NOT_OFFERED } from "@latchkey/contract/common.ts";
import type { RouteContract } from "@latchkey/contract/route.ts";
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import formats from "ajv-formats";
import type { TSchema } from "typebox";
import { ApiError, type ErrorCode } from "../errors.ts";

/** Checks a request against its contract, and says what is wrong in words that help. */

// Paths and queries are text, so "10" may become 10; a JSON body is taken at its word.
const common = { useDefaults: true, allErrors: false, verbose: true, keywords: [NOT_OFFERED] };
const forText = formats.default(new Ajv({ coerceTypes: true, ...common }));
const forJson = formats.default(new Ajv({ coerceTypes: false, ...common }));

export interface Checks {
  /** Wrong path parameters are 404: a path that cannot name anything is not found. */
  readonly params: (value: unknown) => Record<string, unknown>;
  readonly query: (value: unknown) => Record<string, unknown>;
  readonly body: (value: unknown) => unknown;
}

export function compileChecks(contract: RouteContract): Checks {
  const nothing = () => ({});
  return {
    params: contract.params ? check(forText, contract.params, "path", "not_found") : nothing,
    query: contract.query ? check(forText, contract.query, "query", "bad_request") : nothing,
    body: contract.body ? checkBody(contract.body, contract.body_optional === true) : () => undefined,
  };
}

function check(ajv: Ajv, schema: TSchema, where: string, code: ErrorCode) {
  const validate = ajv.compile<Record<string, unknown>>(schema);
  return (value: unknown): Record<string, unknown> => {
    const copy = { ...(value as object) };
    if (!validate(copy)) throw new ApiError(code, explain(validate, where));
    return copy;
  };
}

function checkBody(schema: TSchema, optional: boolean) {
  const validate = forJson.compile(schema);
  return (value: unknown): unknown => {
    if (value === undefined && optional) return undefined;
    if (value === undefined) throw new ApiError("bad_request", "the request needs a JSON body");
    if (!validate(value)) throw new ApiError("bad_request", explain(validate, "body"));
    return value;
  };
}

/** One sentence about the first fault: where it is and what was expected. The value itself is not echoed. */
function explain(validate: ValidateFunction, where: string): string {
  const error = validate.errors?.[0];
  if (!error) return `${where} is not valid`;
  const field = error.instancePath.slice(1).replaceAll("/", ".");
  const at = field === "" ? `the ${where}` : `"${field}" in the ${where}`;
  return `${at} ${expectation(error)}`;
}

function expectation(error: ErrorObject): string {
  const { params, data } = error;
  switch (error.keyword) {
    case "additionalProperties":
      return isNotOffered(error, params.additionalProperty)
        ? `has a field that is not available in Latchkey: "${params.additionalProperty}"`
        : `has a field that is not known here: "${String(params.additionalProperty).slice(0, 64)}"`;
    case "required":
      return `lacks the field "${params.missingProperty}"`;
    case "enum":
      return `must be one of: ${params.allowedValues.join(", ")}`;
    case "const": {
      const expected = `must be ${JSON.stringify(params.allowedValue)}`;
      // Where nothing else is said, Neon has other values and this is the only one here.
      if (error.parentSchema?.[NOT_OFFERED] === undefined)
        return `${expected}: anything else is not available in Latchkey`;
      return isNotOffered(error, data) ? `${expected}: "${data}" is not available in Latchkey` : expected;
    }
    case "pattern":
      return "has characters that are not allowed there";
    default:
      return error.message ?? "is not valid";
  }
}

/** Whether a field or a value is one of those that the contract knows as Neon's and not ours. */
function isNotOffered({ parentSchema }: ErrorObject, word: unknown): boolean {
  const words: unknown = parentSchema?.[NOT_OFFERED];
  return Array.isArray(words) && words.includes(word);
}
