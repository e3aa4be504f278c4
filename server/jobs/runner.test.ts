import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../clock.ts";
import { createLog } from "../log.ts";
import { type Job, JobRunner } from "./runner.ts";

const HOUR_MS = 3_600_000;
const log = createLog("silent");

/** A job whose runs the test lets begin and end one by one. */
function steeredJob(options: Partial<Job> = {}) {
  const runs: PromiseWithResolvers<void>[] = [];
  const begun: (() => void)[] = [];
  let running = 0;
  let most_at_once = 0;
  const job: Job = {
    name: "steered",
    every_ms: HOUR_MS,
    ...options,
    run: async () => {
      most_at_once = Math.max(most_at_once, ++running);
      const run = Promise.withResolvers<void>();
      runs.push(run);
      for (const resolve of begun.splice(0)) resolve();
      await run.promise.finally(() => running--);
    },
  };
  return {
    job,
    runs,
    mostAtOnce: () => most_at_once,
    async begins(count: number): Promise<PromiseWithResolvers<void>> {
      while (runs.length < count) await new Promise<void>((resolve) => begun.push(resolve));
      return runs[count - 1] as PromiseWithResolvers<void>;
    },
  };
}

/** Long enough for every callback that is ready to have run. */
const settle = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe("the job runner", () => {
  it("runs every job at the start, without a poke", async () => {
    const { job, begins } = steeredJob();
    const runner = new JobRunner([job], { clock: systemClock, log });
    runner.start();
    (await begins(1)).resolve();
    await runner.stop();
  });

  it("runs a job that was poked many times while running exactly once more, and never twice at a time", async () => {
    const { job, begins, runs, mostAtOnce } = steeredJob();
    const runner = new JobRunner([job], { clock: systemClock, log });
    runner.start();
    const first = await begins(1);
    for (let i = 0; i < 5; i++) runner.poke();
    first.resolve();
    (await begins(2)).resolve();
    await settle();
    assert.equal(runs.length, 2);
    assert.equal(mostAtOnce(), 1);
    await runner.stop();
  });

  it("runs a waiting job at once when it is poked", async () => {
    const { job, begins } = steeredJob();
    const runner = new JobRunner([job], { clock: systemClock, log });
    runner.start();
    (await begins(1)).resolve();
    await settle();
    runner.poke();
    (await begins(2)).resolve();
    await runner.stop();
  });

  it("runs a job again after its interval", async () => {
    const { job, begins } = steeredJob({ every_ms: 1 });
    const runner = new JobRunner([job], { clock: systemClock, log });
    runner.start();
    (await begins(1)).resolve();
    (await begins(2)).resolve();
    const last = await begins(3);
    const stopped = runner.stop();
    last.resolve();
    await stopped;
  });

  it("survives a job that fails, and tells the log", async () => {
    const lines: string[] = [];
    const failing: Job = {
      name: "failing",
      every_ms: 1,
      run: async () => {
        throw new Error("no luck");
      },
    };
    const told = Promise.withResolvers<void>();
    const runner = new JobRunner([failing], {
      clock: systemClock,
      log: {
        ...log,
        event: (name, fields) => {
          lines.push(`${name} ${JSON.stringify(fields)}`);
          if (lines.length === 2) told.resolve();
        },
      },
    });
    runner.start();
    await told.promise;
    await runner.stop();
    assert.match(lines[0] ?? "", /job\.failed.*failing.*no luck/);
    assert.match(lines[1] ?? "", /job\.failed/);
  });

  it("waits at the stop for the job that runs, tells it to end, and begins no other", async () => {
    let aborted = false;
    const { job, begins, runs } = steeredJob();
    const runner = new JobRunner(
      [
        {
          ...job,
          run: (signal) => {
            signal.addEventListener("abort", () => {
              aborted = true;
            });
            return job.run(signal);
          },
        },
      ],
      { clock: systemClock, log },
    );
    runner.start();
    const run = await begins(1);
    let stopped = false;
    const stop = runner.stop().then(() => {
      stopped = true;
    });
    runner.poke();
    await settle();
    assert.equal(aborted, true);
    assert.equal(stopped, false);
    run.resolve();
    await stop;
    assert.equal(runs.length, 1);
  });

  it("pokes a job from outside through what it listens to, until the stop", async () => {
    let pokeFromOutside = () => {};
    let listening = false;
    const { job, begins } = steeredJob({
      unpokable: true,
      listen: (poke) => {
        pokeFromOutside = poke;
        listening = true;
        return () => {
          listening = false;
        };
      },
    });
    const runner = new JobRunner([job], { clock: systemClock, log });
    runner.start();
    (await begins(1)).resolve();
    await settle();
    pokeFromOutside();
    (await begins(2)).resolve();
    await runner.stop();
    assert.equal(listening, false);
  });

  it("leaves a job that runs at its own pace alone when it is poked", async () => {
    const { job, begins, runs } = steeredJob({ unpokable: true });
    const runner = new JobRunner([job], { clock: systemClock, log });
    runner.start();
    (await begins(1)).resolve();
    await settle();
    runner.poke();
    await settle();
    assert.equal(runs.length, 1);
    await runner.stop();
  });
});
