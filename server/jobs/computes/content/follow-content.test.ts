import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PresentContent } from "../../../compute/driver.ts";
import { followContent } from "./follow-content.ts";
import { planContent, planFirstContent } from "./plan-content.ts";
import type { Content, ContentDatabase, ContentRole } from "./store.ts";

const role = (name: string, oid: number | null, change: Partial<ContentRole> = {}): ContentRole => ({
  ...{ name, oid, password: Buffer.from("sealed"), verifier: `verifier of ${name}`, can_login: true, revision: 1 },
  ...{ created_at: "2026-01-01T00:00:00Z", deleted_at: null, ...change },
});
const database = (name: string, oid: number | null, change: Partial<ContentDatabase> = {}): ContentDatabase => ({
  ...{ id: 1, name, oid, owner_name: "owner", former_name: null, revision: 1, deleted_at: null, ...change },
});
const presentRole = (name: string, oid: number) => ({
  ...{ name, oid, login: true, verifier: `verifier of ${name}`, expired: false },
});
const presentDatabase = (name: string, oid: number, owner = "owner") => ({ name, oid, owner });
const present = (
  roles: PresentContent["roles"],
  databases: PresentContent["databases"] = [],
  complete = true,
): PresentContent => ({ roles, databases, complete });
const deleted_at = "2026-01-02T00:00:00Z";

describe("rows that follow a compute", () => {
  const follow = (roles: ContentRole[], there: PresentContent, as_of = 1) =>
    followContent({ roles, databases: [] }, there, as_of).roles;
  const nothing = { gone: [], changed: [], made: [] };

  it("stay where they say what is there", () => {
    assert.deepEqual(follow([role("a", 1)], present([presentRole("a", 1)])), nothing);
  });

  it("go with what they stand for, and come with what is made", () => {
    const [gone, made] = [role("a", 1), presentRole("b", 2)];
    assert.deepEqual(follow([gone], present([made])), { gone: [gone], changed: [], made: [made] });
    assert.deepEqual(follow([gone], present([made], [], false)).gone, [], "not all was told");
  });

  it("know a thing by what it is, and by its name only as long as it has not been seen", () => {
    const [a, b, seen] = [role("a", 1), role("b", 2), role("c", null)];
    const there = [presentRole("b", 1), presentRole("a", 2), presentRole("c", 3)];
    const { gone, changed, made } = follow([seen, a, b], present(there));
    assert.deepEqual([gone, made], [[], []]);
    assert.deepEqual(
      changed.map(([row, { oid }]) => [row.name, oid]),
      [
        ["a", 1],
        ["b", 2],
        ["c", 3],
      ],
    );
    const another = presentRole("a", 9);
    assert.deepEqual(follow([a], present([another])), { gone: [a], changed: [], made: [another] });
  });

  it("are left alone where the API has changed them since, with whatever they may mean", () => {
    const made_since = role("a", null, { revision: 2 });
    assert.deepEqual(follow([made_since], present([])), nothing, "it was looked at before it was made");
    assert.deepEqual(follow([made_since], present([presentRole("a", 1)])), nothing);
    const reset_since = role("b", 2, { revision: 2, verifier: "new" });
    assert.deepEqual(follow([reset_since], present([presentRole("b", 2)])), nothing);
    const deleted_since = role("c", 3, { revision: 2, deleted_at });
    assert.deepEqual(follow([deleted_since], present([presentRole("c", 3)])), nothing);
    const renamed_since = database("new", null, { former_name: "old", revision: 2 });
    for (const name of ["new", "old"]) {
      const there = present([], [presentDatabase(name, 4)]);
      assert.deepEqual(followContent({ roles: [], databases: [renamed_since] }, there, 1).databases, nothing);
    }
  });
});

describe("what a compute is told", () => {
  const content = (roles: ContentRole[], databases: ContentDatabase[] = []): Content => ({
    ...{ content_revision: 2, applied_revision: 1, foreign_passwords: false, roles, databases },
  });
  const owner = presentRole("owner", 1);
  const quiet = { roles: [], databases: [], absent: { roles: [], databases: [] }, conflicts: [] };

  it("is what the API has changed, and nothing else", () => {
    const old = [role("owner", 1, { verifier: "before SQL set another" }), role("dropped", 2)];
    const old_databases = [database("dropped", 3), database("given", 4, { owner_name: "dropped" })];
    assert.deepEqual(planContent(content(old, old_databases), present([owner], [presentDatabase("given", 4)])), quiet);
    const fresh = role("fresh", null, { revision: 2 });
    assert.deepEqual(planContent(content([...old, fresh], old_databases), present([owner])), {
      ...quiet,
      roles: [fresh],
    });
  });

  it("is not to make again what SQL has dropped, nor to change what has another name by now", () => {
    const [reset, renamed] = [role("a", 5, { revision: 2 }), role("b", 6, { revision: 2 })];
    const [moved, taken] = [
      database("risen", 7, { former_name: "dropped", revision: 2 }),
      database("taken", 8, { former_name: "old", revision: 2 }),
    ];
    const there = present([owner, presentRole("z", 6)], [presentDatabase("old", 8), presentDatabase("taken", 9)]);
    const plan = planContent(content([reset, renamed], [moved, taken]), there);
    assert.deepEqual(plan, {
      ...quiet,
      conflicts: [
        'the role "a" was dropped with SQL',
        'the role "b" was renamed with SQL, to "z"',
        'the database "dropped" was dropped with SQL',
        'the database "taken" was made with SQL by that name',
      ],
    });
  });

  it("renames and deletes what is meant, by the name that it has by now", () => {
    const [renamed, doomed] = [
      database("wanted", 7, { former_name: "was", revision: 2 }),
      database("gone", 8, { revision: 2, deleted_at }),
    ];
    const there = present([owner], [presentDatabase("is", 7), presentDatabase("moved", 8), presentDatabase("gone", 9)]);
    assert.deepEqual(planContent(content([], [renamed, doomed]), there), {
      ...quiet,
      databases: [{ name: "wanted", former_name: "is" }],
      absent: { roles: [], databases: ["moved"] },
    });
  });

  it("gives a database to those alone that are there, or come with it", () => {
    const given = database("given", 7, { owner_name: "heir", revision: 2 });
    const there = present([owner], [presentDatabase("given", 7)]);
    assert.match(planContent(content([], [given]), there).conflicts[0] ?? "", /"heir", which is there no more/);
    const heir = role("heir", null, { revision: 2 });
    assert.deepEqual(planContent(content([heir], [given]), there).databases, [{ name: "given", owner: "heir" }]);
    const kept = { ...given, owner_name: "neon_superuser", name: "new", former_name: "given" };
    const of_group = present([], [presentDatabase("given", 7, "neon_superuser")]);
    assert.deepEqual(planContent(content([], [kept]), of_group).databases, [{ name: "new", former_name: "given" }]);
  });

  it("is everything by name where nothing has ever been told", () => {
    const first = content(
      [role("owner", null), role("gone", null, { deleted_at })],
      [database("new", null, { former_name: "old" }), database("gone", null, { deleted_at })],
    );
    const { roles, databases, absent } = planFirstContent(first);
    assert.deepEqual(
      roles.map(({ name }) => name),
      ["owner"],
    );
    assert.deepEqual(databases, [{ name: "new", owner: "owner", former_name: "old" }]);
    assert.deepEqual(absent, { roles: ["gone"], databases: ["gone"] });
  });
});
