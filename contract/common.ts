import Type, { type Static, type TProperties, type TSchema } from "typebox";

/** Schemas that more than one resource uses. */

/** An instant, RFC 3339 in UTC. */
export const Timestamp = Type.String({ format: "date-time" });
export const Uuid = Type.String({ format: "uuid" });

/** Neon's pattern for the ids of organizations, projects, branches and endpoints. */
export const ResourceId = Type.String({ pattern: "^[a-z0-9-]{1,60}$" });

/** Where Neon's document takes an empty one for none. */
export const ResourceIdOrEmpty = Type.String({ pattern: "^[a-z0-9-]{0,60}$" });

/**
 * A name for people to read: no control characters, which would spoil every list that shows it, and no half
 * of a surrogate pair, which no encoding keeps.
 */
export const PRINTABLE = "^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$";

/** Under this keyword a schema names words of Neon's that are known and not offered: the refusal says so. */
export const NOT_OFFERED = "x-not-offered";

interface BodyOptions {
  readonly description?: string;
  /** Fields of Neon's that Latchkey does not offer. */
  readonly not_offered?: readonly string[];
}

/** A request body: a field that is not listed is refused by name rather than dropped in silence. */
export function Body<P extends TProperties>(properties: P, { not_offered, ...options }: BodyOptions = {}) {
  const known = not_offered === undefined ? {} : { [NOT_OFFERED]: not_offered };
  return Type.Object(properties, { additionalProperties: false, ...options, ...known });
}

/** One or several of the listed words. */
export function OneOf<const V extends string[]>(...values: V) {
  return Type.Enum<V>(values);
}

export function Nullable<S extends TSchema>(schema: S) {
  return Type.Union([schema, Type.Null()]);
}

/** Query of lists in Neon's first cursor dialect: projects and operations. */
export function pageQuery(maximum: number, default_limit: number) {
  return {
    cursor: Type.Optional(Type.String({ maxLength: 512, description: "The cursor of the answer before." })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum, default: default_limit })),
  };
}

/** Absent on the empty page that ends a list (Neon's behaviour: its SDK stops there and nowhere else). */
export const Pagination = Type.Optional(Type.Object({ cursor: Type.String() }));

/** Every error answer. `code` is ours; Neon's is an empty string in most cases. */
export const ApiErrorBody = Type.Object({
  request_id: Type.String(),
  code: Type.String(),
  message: Type.String(),
});
export type ApiErrorBody = Static<typeof ApiErrorBody>;

export const Empty = Type.Object({});
