import { createApiKey } from "@latchkey/contract/api-keys.ts";
import { hasStatus } from "../../api/errors.ts";
import type { Refusal } from "../../ui/Form.tsx";
import { TextField } from "../../ui/fields.tsx";

const { maxLength: MAX_LENGTH = 64 } = createApiKey.body.properties.key_name as { maxLength?: number };

/** The name of a new key. Forms that have it call the value `key_name`. */
export function KeyNameField() {
  return (
    <TextField
      name="key_name"
      label="Name"
      hint={`What will use it? Up to ${MAX_LENGTH} characters, such as ci-deploy.`}
      rules={{
        required: "Give the key a name that says what will use it.",
        max_length: [MAX_LENGTH, `Use up to ${MAX_LENGTH} characters.`],
      }}
    />
  );
}

/** A name is unique among the owner's live keys. */
export function refusalOfName(error: unknown): Refusal<{ key_name: string }> | undefined {
  if (!hasStatus(error, 409)) return undefined;
  return {
    field: "key_name",
    message: "That name is taken by another live key. Choose another, or revoke the old one.",
  };
}

/** What to do when nobody knows whether there is a new key: its token, if there is one, was shown to nobody. */
export const LOST_KEY =
  "The key may have been made all the same. Look for its name in the list of keys: if it is there, revoke it, because its token was never shown. Then try again.";
