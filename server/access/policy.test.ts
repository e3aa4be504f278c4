import assert from "node:assert/strict";
import { test } from "node:test";
import { ACTIONS, type Action, isAllowed, type Standing } from "./policy.ts";

const allowed = (standing: Standing) => ACTIONS.filter((action) => isAllowed(action, standing));

test("a project key does nothing outside its project but end itself and say who it is", () => {
  assert.deepEqual(
    allowed("project_key").filter(
      (action) => !/^(project|branch|endpoint|role|database|operation|connection)\./.test(action),
    ),
    [
      "instance.read",
      "user.create",
      "session.create",
      "password_reset.create",
      "password_reset.use",
      "oauth_token.request",
      "credential.read",
      "organization_key.revoke_itself",
    ],
  );
  assert.ok(!isAllowed("project.delete", "project_key"));
  assert.ok(!isAllowed("project.create", "project_key"));
});

test("no key makes keys, removes members or invites", () => {
  const personal: Action[] = ["organization_key.create", "member.remove", "invitation.create", "personal_key.create"];
  for (const action of personal) {
    assert.ok(!isAllowed(action, "organization_key"), action);
    assert.ok(!isAllowed(action, "project_key"), action);
  }
});

test("a member may do nothing that an admin may not", () => {
  for (const action of allowed("member")) assert.ok(isAllowed(action, "admin"), action);
});

test("a visitor may look at the instance, sign up, sign in, set a forgotten password and exchange what they hold, and nothing else", () => {
  assert.deepEqual(allowed("anonymous"), [
    "instance.read",
    "user.create",
    "session.create",
    "password_reset.create",
    "password_reset.use",
    "oauth_token.request",
  ]);
});
