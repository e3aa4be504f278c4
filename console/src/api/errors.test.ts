import assert from "node:assert/strict";
import test from "node:test";
import { ApiError, LostAnswerError } from "@latchkey/sdk";
import { explain, isAnswerLost, sentence } from "./errors.ts";

test("what may have been done is not told as a failure to try again after", () => {
  const fields = { status: 500, message: "the change may have been made", request_id: "r-1" };
  const unconfirmed = new ApiError({ ...fields, code: "UNCONFIRMED" });
  assert.ok(isAnswerLost(unconfirmed) && isAnswerLost(new LostAnswerError(undefined)));
  assert.equal(isAnswerLost(new ApiError({ ...fields, code: "INTERNAL" })), false);
  for (const error of [unconfirmed, new LostAnswerError(undefined)]) {
    assert.doesNotMatch(JSON.stringify(explain(error)), /try again/i);
  }
});

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
