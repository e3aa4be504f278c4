import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDuration } from "./durations.ts";
import { chooseRange, RANGES, stepsOf } from "./usage-range.ts";
import { addUp, addUpProjects, isNothing, total } from "./usage-series.ts";

const iso = (ms: number) => new Date(ms).toISOString();

test("steps begin where the API's do, in UTC, and end with the present one", () => {
  const now_ms = Date.parse("2026-03-01T00:30:00Z");
  const edges = (value: string, by?: string) => {
    const { starts, end } = stepsOf(chooseRange(value, by), now_ms);
    return [starts.length, iso(starts[0] ?? 0), iso(starts.at(-1) ?? 0), iso(end)];
  };
  assert.deepEqual(edges("24h"), [
    24,
    "2026-02-28T01:00:00.000Z",
    "2026-03-01T00:00:00.000Z",
    "2026-03-01T01:00:00.000Z",
  ]);
  assert.deepEqual(edges("7d"), [
    7,
    "2026-02-23T00:00:00.000Z",
    "2026-03-01T00:00:00.000Z",
    "2026-03-02T00:00:00.000Z",
  ]);
  assert.equal(edges("7d", "hourly")[0], 168);
  assert.deepEqual(edges("12m"), [
    12,
    "2025-04-01T00:00:00.000Z",
    "2026-03-01T00:00:00.000Z",
    "2026-04-01T00:00:00.000Z",
  ]);
});

test("no range asks for more than the API keeps", () => {
  const kept_ms = { hourly: 168 * 3_600_000, daily: 60 * 86_400_000, monthly: 366 * 86_400_000 };
  const now_ms = Date.parse("2026-11-23T21:59:59Z");
  for (const { value, steps } of RANGES) {
    for (const granularity of Object.keys(steps) as (keyof typeof steps)[]) {
      const [first = 0] = stepsOf(chooseRange(value, granularity), now_ms).starts;
      assert.ok(now_ms - first <= kept_ms[granularity] + 3_600_000, `${value} ${granularity}`);
    }
  }
});

test("an address with an unknown range, or a granularity that it has not, shows the usual one", () => {
  assert.equal(chooseRange("forever", undefined).range.value, "30d");
  assert.equal(chooseRange(undefined, "hourly").granularity, "daily");
});

test("projects are added up step by step, and a step of which nothing is known stays unknown", () => {
  const day = (n: number) => Date.UTC(2026, 0, n);
  const project = (project_id: string, ...frames: [at: number, seconds: number, bytes: number][]) => ({
    project_id,
    periods: [
      {
        ...{ period_id: "x", period_plan: "self-hosted", period_start: iso(day(1)) },
        consumption: frames.map(([at, seconds, bytes]) => ({
          ...{ timeframe_start: iso(at), timeframe_end: iso(at) },
          ...{ active_time_seconds: seconds, compute_time_seconds: 1, written_data_bytes: 2 },
          synthetic_storage_size_bytes: bytes,
        })),
      },
    ],
  });
  const projects = [project("one", [day(2), 10, 100], [day(3), 20, 300]), project("two", [day(3), 5, 50])];
  const steps = addUp(projects, [day(1), day(2), day(3)]);
  assert.deepEqual(
    steps.map(({ used }) => used && [used.active_seconds, used.storage_bytes]),
    [undefined, [10, 100], [25, 350]],
  );
  assert.deepEqual(total(steps), { active_seconds: 35, cpu_seconds: 3, written_bytes: 6, storage_bytes: 350 });
  assert.deepEqual(
    addUpProjects(projects).map(({ project_id, active_seconds, storage_bytes }) => [
      project_id,
      active_seconds,
      storage_bytes,
    ]),
    [
      ["one", 30, 300],
      ["two", 5, 50],
    ],
  );
});

test("a new project, of which nothing is measured yet, has nothing to show", () => {
  const nothing = { active_seconds: 0, cpu_seconds: 0, written_bytes: 0, storage_bytes: 0 };
  const steps = (used: object) => [
    { at_ms: 0, used: undefined },
    { at_ms: 1, used: { ...nothing, ...used } },
  ];
  assert.ok(isNothing([]) && isNothing(steps({})));
  assert.ok(!isNothing(steps({ storage_bytes: 1 })) && !isNothing(steps({ active_seconds: 1 })));
});

test("a length of time is told in the unit that suits it", () => {
  assert.deepEqual([0, 42, 119, 120, 7199, 45_000, 4_824_000].map(formatDuration), [
    ...["0 s", "42 s", "119 s", "2 min", "120 min", "12.5 h", "1,340 h"],
  ]);
});
