import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type CreatedProject, createProject, openPlane, type Plane } from "../../jobs/test-plane.ts";

interface Timeframe {
  readonly timeframe_start: string;
  readonly timeframe_end: string;
  readonly [metric: string]: unknown;
}
interface Period {
  readonly period_id: string;
  readonly period_start: string;
  readonly period_end?: string;
  readonly consumption: Timeframe[];
}
interface History {
  readonly message: string;
  readonly projects: { project_id: string; periods: Period[] }[];
  readonly branches: { project_id: string; branch_id: string; periods: Period[] }[];
  readonly pagination?: { cursor: string };
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const GB = 1_000_000_000;

/** Starts of hours, days and months around now, UTC. */
const hour = (offset: number) => new Date(Math.floor(Date.now() / HOUR_MS) * HOUR_MS + offset * HOUR_MS).toISOString();
const day = (offset: number) => new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS + offset * DAY_MS).toISOString();
const month = (offset: number) => {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + offset)).toISOString();
};

describe("the history of what projects have consumed", () => {
  let plane: Plane;
  let first: CreatedProject;
  let second: CreatedProject;
  before(async () => {
    plane = await openPlane();
    first = await createProject(plane, { name: "first" });
    second = await createProject(plane, { name: "second" });
  });
  after(() => plane.close());

  const ask = (path: string, query: Record<string, string | number | readonly string[]>, key?: string) => {
    const text = new URLSearchParams({ org_id: plane.org_id });
    for (const [name, value] of Object.entries(query)) for (const one of [value].flat()) text.append(name, String(one));
    return plane.call<History>("GET", `/consumption_history/${path}?${text}`, key === undefined ? {} : { key });
  };
  const periodsOf = async (query: Record<string, string>, path = "projects") =>
    (await ask(path, { project_ids: first.project.id, ...query })).body.projects[0]?.periods ?? [];
  const values = ({ metrics }: Timeframe) =>
    Object.fromEntries((metrics as { metric_name: string; value: number }[]).map((m) => [m.metric_name, m.value]));

  /** What the meters would have written. */
  async function note(
    at: string,
    row: Record<string, number>,
    branch_id = first.branch.id,
    project_id = first.project.id,
  ) {
    await plane.db
      .insertInto("consumption_hours")
      .values({ project_id, branch_id, hour: at, ...row })
      .execute();
  }
  const forget = () => plane.db.deleteFrom("consumption_hours").execute();

  it("adds hours up to days and months, sums what was used, and takes the largest size", async () => {
    await forget();
    const at = (h: number) => new Date(Date.parse(day(-1)) + h * HOUR_MS).toISOString();
    await note(at(3), {
      active_seconds: 100.4,
      cpu_seconds: 5,
      written_bytes: 10,
      storage_bytes: 3 * GB,
      logical_bytes: GB,
    });
    await note(at(4), {
      active_seconds: 3600,
      cpu_seconds: 7,
      written_bytes: 5,
      storage_bytes: 5 * GB,
      logical_bytes: 2 * GB,
    });
    await note(at(4), { active_seconds: 60, storage_bytes: GB, logical_bytes: GB }, "br-some-child-1");

    const hours = (await periodsOf({ granularity: "hourly", from: day(-1), to: day(0) })).flatMap((p) => p.consumption);
    assert.deepEqual(
      hours.map((h) => [h.timeframe_start, h.timeframe_end, h.active_time_seconds, h.synthetic_storage_size_bytes]),
      [
        [at(3), at(4), 100, 3 * GB],
        [at(4), at(5), 3660, 6 * GB],
      ],
      "an hour of which nothing is known is left out",
    );
    assert.deepEqual(
      Object.keys(hours[0] ?? {}).sort(),
      [
        ...["active_time_seconds", "compute_time_seconds", "synthetic_storage_size_bytes"],
        ...["timeframe_end", "timeframe_start", "written_data_bytes"],
      ],
      "nothing that was not asked for",
    );

    const metrics = "data_storage_bytes_hour,logical_size_bytes,logical_size_bytes_hour";
    const days = (await periodsOf({ granularity: "daily", from: day(-1), to: day(0), metrics })).flatMap(
      (p) => p.consumption,
    );
    assert.deepEqual(days, [
      {
        timeframe_start: day(-1),
        timeframe_end: day(0),
        active_time_seconds: 3760,
        compute_time_seconds: 12,
        written_data_bytes: 15,
        synthetic_storage_size_bytes: 6 * GB,
        data_storage_bytes_hour: 9 * GB,
        logical_size_bytes: 3 * GB,
        logical_size_bytes_hour: 4 * GB,
      },
    ]);
    const [old] = (
      await periodsOf({ granularity: "daily", from: day(-1), to: day(0), include_v1_metrics: "true" })
    ).flatMap((p) => p.consumption);
    assert.equal(old?.data_storage_bytes_hour, 9 * GB);
  });

  it("groups by calendar month, whose id stays the same and whose end is told once it is over", async () => {
    await forget();
    const row = { active_seconds: 10 };
    await note(month(-1), row);
    await note(month(0), row);
    const ask = () => periodsOf({ granularity: "monthly", from: month(-1), to: month(1) });
    const periods = await ask();
    assert.deepEqual(
      periods.map(({ period_start, period_end }) => [period_start, period_end]),
      [
        [month(-1), month(0)],
        [month(0), undefined],
      ],
    );
    assert.deepEqual(
      periods.map(({ consumption }) => consumption.map((c) => [c.timeframe_start, c.timeframe_end])),
      [[[month(-1), month(0)]], [[month(0), month(1)]]],
    );
    assert.notEqual(periods[0]?.period_id, periods[1]?.period_id);
    assert.deepEqual(await ask(), periods);
  });

  it("rounds a range down, leaves its end out, and refuses one that begins before what is kept or ends before it begins", async () => {
    await forget();
    for (const offset of [-2, -1, 0]) await note(hour(offset), { active_seconds: 1 });
    const within = (at: string, minutes: number) => new Date(Date.parse(at) + minutes * 60_000).toISOString();
    const periods = await periodsOf({ granularity: "hourly", from: within(hour(-2), 59), to: within(hour(0), 59) });
    assert.deepEqual(
      periods.flatMap(({ consumption }) => consumption.map((c) => c.timeframe_start)),
      [hour(-2), hour(-1)],
    );
    const status = async (granularity: string, from: string, to = day(1)) =>
      (await ask("projects", { granularity, from, to })).status;
    assert.deepEqual([await status("hourly", hour(-167)), await status("hourly", hour(-169))], [200, 406]);
    assert.deepEqual([await status("daily", day(-60)), await status("daily", day(-61))], [200, 406]);
    assert.deepEqual([await status("monthly", month(-12)), await status("monthly", month(-13))], [200, 406]);
    assert.equal(await status("daily", day(-1), day(-2)), 406);
    assert.equal(await status("daily", "0000-01-01T00:00:00Z"), 406);
    assert.equal(await status("daily", day(-1), "9999-12-31T23:59:60Z"), 400);
    assert.equal(await status("weekly", day(-1)), 400);
    const { message } = (await ask("projects", { granularity: "hourly", from: hour(-200), to: hour(0) })).body;
    assert.match(message, /168 hours/);
  });

  it("is of the caller's organization alone, page by page, and only of the projects that were named", async () => {
    const range = { granularity: "daily", from: day(-1), to: day(1) };
    const ids = ({ body }: { body: History }) => body.projects.map(({ project_id }) => project_id);
    const one = await ask("projects", { ...range, limit: 1 });
    assert.deepEqual(ids(one), [second.project.id]);
    const two = await ask("projects", { ...range, limit: 1, cursor: one.body.pagination?.cursor ?? "" });
    assert.deepEqual(ids(two), [first.project.id]);
    const end = await ask("projects", { ...range, limit: 1, cursor: two.body.pagination?.cursor ?? "" });
    assert.deepEqual(end.body, { projects: [] });
    const both = [second.project.id, first.project.id];
    assert.deepEqual(ids(await ask("projects", { ...range, project_ids: both })), both);
    assert.deepEqual(ids(await ask("projects", { ...range, project_ids: both.join(",") })), both);
    assert.deepEqual(ids(await ask("projects", { ...range, project_ids: "no-such-project-1" })), []);
    assert.equal((await ask("projects", { ...range, metrics: "cpu" })).status, 400);

    const other = { name: "Other", handle: "other", personal_of: null };
    await plane.db
      .insertInto("organizations")
      .values({ id: "org-other", ...other })
      .execute();
    await plane.db.updateTable("projects").set({ org_id: "org-other" }).where("id", "=", second.project.id).execute();
    const metrics = "compute_unit_seconds";
    assert.deepEqual(ids(await ask("projects", { ...range, project_ids: both })), [first.project.id]);
    await note(hour(0), { active_seconds: 1 }, second.branch.id, second.project.id);
    const foreign = await ask("v2/branches", { ...range, project_ids: second.project.id, metrics });
    assert.deepEqual(foreign.body.branches, []);
    await plane.db.updateTable("projects").set({ org_id: plane.org_id }).where("id", "=", second.project.id).execute();
  });

  it("tells in the second version byte-hours of roots and of children, hours of children, and what clients were sent", async () => {
    await forget();
    await note(hour(-1), { compute_unit_seconds: 250, storage_bytes: 3 * GB, transferred_bytes: 7 });
    await note(hour(-1), { compute_unit_seconds: 49.8, storage_bytes: GB }, "br-gone-for-good-1");
    await note(hour(-2), { storage_bytes: GB }, "br-gone-for-good-1");
    const names = [
      ...["compute_unit_seconds", "root_branch_bytes_month", "child_branch_bytes_month", "instant_restore_bytes_month"],
      ...["public_network_transfer_bytes", "private_network_transfer_bytes", "extra_branches_month"],
      "snapshot_storage_bytes_month",
    ];
    const range = { granularity: "monthly", from: month(-1), to: month(1) };
    const projects = await periodsOf({ ...range, metrics: names.join(",") }, "v2/projects");
    const sums: Record<string, number> = {};
    // Two months, when an hour ago was in another one.
    for (const timeframe of projects.flatMap(({ consumption }) => consumption)) {
      for (const [name, value] of Object.entries(values(timeframe))) sums[name] = (sums[name] ?? 0) + value;
    }
    assert.deepEqual(sums, {
      compute_unit_seconds: 300,
      root_branch_bytes_month: 3 * GB,
      child_branch_bytes_month: 2 * GB,
      instant_restore_bytes_month: 0,
      public_network_transfer_bytes: 7,
      extra_branches_month: 2,
      snapshot_storage_bytes_month: 0,
    });

    const hours = { granularity: "hourly", from: hour(-2), to: hour(0), metrics: names.slice(0, 3).join(",") };
    const of = { ...hours, project_ids: first.project.id };
    const { branches } = (await ask("v2/branches", of)).body;
    const found = branches.map(({ branch_id, periods }) => {
      return [branch_id, periods.flatMap(({ consumption }) => consumption.map((c) => values(c)))] as const;
    });
    const metrics = (compute_unit_seconds: number, root: number, child: number) => {
      return { compute_unit_seconds, root_branch_bytes_month: root, child_branch_bytes_month: child };
    };
    assert.deepEqual(Object.fromEntries(found), {
      [first.branch.id]: [metrics(250, 3 * GB, 0)],
      "br-gone-for-good-1": [metrics(0, 0, GB), metrics(50, 0, GB)],
    });
    const page = await ask("v2/branches", { ...of, limit: 1 });
    const rest = await ask("v2/branches", { ...of, limit: 1, cursor: page.body.pagination?.cursor ?? "" });
    assert.deepEqual([...page.body.branches, ...rest.body.branches], branches);
    const filtered = await ask("v2/branches", { ...of, branch_ids: first.branch.id });
    assert.deepEqual(
      filtered.body.branches.map(({ branch_id }) => branch_id),
      [first.branch.id],
    );

    assert.equal((await ask("v2/branches", { ...of, metrics: "extra_branches_month" })).status, 400);
    assert.equal((await ask("v2/branches", { ...of, project_ids: "" })).status, 400);
    assert.equal((await ask("v2/projects", range)).status, 400);
  });
});
