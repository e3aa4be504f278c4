import assert from "node:assert/strict";
import test from "node:test";
import { sentence } from "./errors.ts";

test("a message of the API becomes a sentence, and what it names stays as it is spelled", () => {
  const messages = {
    "": "",
    "not allowed; ask an admin": "Not allowed; ask an admin.",
    "gone.": "Gone.",
    "ada@example.com is a member already": "ada@example.com is a member already.",
    "key_name is too long": "key_name is too long.",
    "a/b: no such branch": "a/b: no such branch.",
  };
  for (const [message, said] of Object.entries(messages)) assert.equal(sentence(message), said);
});
