import { selectRecords } from "../../endpoints/log/select.ts";
import type { JobDeps } from "../deps.ts";
import type { Job } from "../runner.ts";
import { answerLogReadingForJob, deleteOldLogReadingsForJob, listLogReadingsForJob } from "./store.ts";

const EVERY_MS = 1_000;
const AT_ONCE = 4;

/** Answers questions for the logs of computes (see `endpoints/log/`). */
export function logsJob({ db, node_id, compute }: JobDeps): Job {
  return {
    name: "logs",
    every_ms: EVERY_MS,
    async run(signal) {
      await deleteOldLogReadingsForJob(db);
      while (!signal.aborted) {
        const readings = await listLogReadingsForJob(db, node_id, AT_ONCE);
        if (readings.length === 0) break;
        for (const { id, endpoint_id, question } of readings) {
          const records = selectRecords(await compute.readLog(endpoint_id), question);
          await answerLogReadingForJob(db, id, JSON.stringify(records));
        }
      }
    },
  };
}
