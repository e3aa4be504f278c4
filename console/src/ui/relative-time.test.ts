import assert from "node:assert/strict";
import test from "node:test";
import { relativeTime } from "./relative-time.ts";

const NOW_MS = new Date(2026, 10, 25, 10, 0).getTime();

test("days are those of the calendar, and what is less than one away is told in hours", () => {
  const told = (day: number, hour: number) => relativeTime(new Date(2026, 10, day, hour).getTime(), NOW_MS);
  assert.deepEqual(
    [told(24, 11), told(24, 9), told(24, 0), told(23, 23), told(23, 11), told(26, 9), told(26, 23), told(27, 0)],
    [
      ...["23 hours ago", "yesterday", "yesterday", "2 days ago", "2 days ago"],
      ...["in 23 hours", "tomorrow", "in 2 days"],
    ],
  );
});
