import type { Rules } from "../ui/Form.tsx";

const MOST_BYTES = 63;

/** What PostgreSQL takes as the name of a role or database; reserved names are the API's to refuse. */
export function postgresNameRules(required: string): Rules {
  return {
    required,
    check: (name) =>
      new TextEncoder().encode(name.trim()).length <= MOST_BYTES ||
      `Use up to ${MOST_BYTES} characters, fewer where they are not plain letters.`,
  };
}
