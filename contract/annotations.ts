import Type, { type Static } from "typebox";
import { Timestamp } from "./common.ts";

/** A name for people to read, as `PRINTABLE`, and not an empty one. */
const NAME = "^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]{1,256}$";

/** Any text: the half of a surrogate pair is none, and PostgreSQL keeps no NUL. */
const TEXT = "^[^\\u0000\\ud800-\\udfff]*$";

/** What tools note about a branch, and read again: `{"github-commit-ref": "my-branch"}`. */
export const AnnotationValue = Type.Record(
  Type.String({ pattern: NAME }),
  Type.String({ maxLength: 4096, pattern: TEXT }),
  { maxProperties: 100, additionalProperties: false },
);
export type AnnotationValue = Static<typeof AnnotationValue>;

export const Annotation = Type.Object({
  object: Type.Object({ type: Type.String(), id: Type.String() }),
  value: Type.Record(Type.String(), Type.String()),
  created_at: Type.Optional(Timestamp),
  updated_at: Type.Optional(Timestamp),
});
export type Annotation = Static<typeof Annotation>;
