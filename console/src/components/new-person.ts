import type { Rules } from "../ui/Form.tsx";

/** The rules of the fields that make a person, in words. The API checks them again. */
export const EMAIL_RULES: Rules = {
  required: "Enter an e-mail address.",
  pattern: [/^\S+@\S+\.\S+$/, "Enter an e-mail address such as ada@example.com."],
};
export const NAME_RULES: Rules = {
  required: "Enter your name.",
  max_length: [256, "Use up to 256 characters."],
};
export const NEW_PASSWORD_RULES: Rules = {
  required: "Choose a password.",
  min_length: [8, "Use at least 8 characters."],
  max_length: [128, "Use up to 128 characters."],
};
export const NEW_PASSWORD_HINT = "8 to 128 characters. A few unrelated words are easy to remember.";
