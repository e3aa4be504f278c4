import { listProjectEndpointLogs } from "@latchkey/contract/endpoint-logs.ts";
import type { ProjectAccess } from "../../access/handles.ts";
import { awaitAnswer } from "../../await-answer.ts";
import type { Clock } from "../../clock.ts";
import type { LogRecord } from "../../compute/driver.ts";
import { encodeCursor, parseCursor } from "../../cursor.ts";
import type { LogQuestion, ToldRecord } from "../../db/schema.ts";
import { ApiError } from "../../errors.ts";
import { newUuid } from "../../ids.ts";
import { findLostSince, lostMessage } from "../../placement/store.ts";
import { type Route, route } from "../../route.ts";
import { getEndpoint } from "../store.ts";
import { tellApart } from "./select.ts";
import { countLogReadings, deleteLogReading, findLogAnswer, insertLogReading } from "./store.ts";

export interface EndpointLogDeps {
  readonly clock: Clock;
  /** There may be work for the jobs. */
  readonly poke: () => void;
}

const PAGE = 100;
const WITHIN_MS = 10_000;
/** Of one project: each takes a few megabytes for a moment. */
const MOST_WAITING = 16;

export function endpointLogRoutes(deps: EndpointLogDeps): Route[] {
  return [
    route(listProjectEndpointLogs, {
      requires: { on: "project", action: "endpoint.read_log" },
      run: async (access, { params: { endpoint_id }, query: { limit = PAGE, cursor, since } }) => {
        const after = cursor === undefined ? undefined : toldIn(cursor);
        const records = await readLog(access, deps, endpoint_id, { limit, since, after });
        const last = records.at(-1);
        return {
          logs: records.map(({ timestamp, pid, severity, message }) => ({
            ...{ timestamp, message, source: "pg_endpoint" as const, entity_id: endpoint_id },
            ...{ severity_text: severity, attributes: { pid } },
          })),
          ...(last ? { pagination: { cursor: cursorOf(tellApart(last)) } } : {}),
        };
      },
    }),
  ];
}

const cursorOf = ({ timestamp, digest }: ToldRecord) => encodeCursor([timestamp, digest]);

function toldIn(cursor: string): ToldRecord {
  const [timestamp = "", digest = ""] = parseCursor(cursor, 2);
  if (Number.isNaN(Date.parse(timestamp))) {
    throw new ApiError("bad_request", "the cursor is not one that this list gave");
  }
  return { timestamp, digest };
}

/** The log lies on the node that runs the compute: the question is a row, like all other work, and this waits for the answer. */
async function readLog(
  access: ProjectAccess,
  { clock, poke }: EndpointLogDeps,
  endpoint_id: string,
  question: LogQuestion,
): Promise<LogRecord[]> {
  const { branch_id } = await getEndpoint(access, endpoint_id);
  const lost_since = await findLostSince(access.tx, branch_id);
  if (lost_since !== undefined) throw new ApiError("unavailable", lostMessage(lost_since));
  if ((await countLogReadings(access)) >= MOST_WAITING) {
    throw new ApiError("rate_limited", "many logs of the project are being read already; try again");
  }
  const id = newUuid();
  await insertLogReading(access, id, endpoint_id, question);
  try {
    poke();
    const found = await awaitAnswer(clock, WITHIN_MS, () => findLogAnswer(access, id));
    if (found === "gone") throw new ApiError("not_found", "endpoint not found");
    if (found === undefined) throw new ApiError("unavailable", "the node that has the log does not answer, try again");
    return JSON.parse(found.answer) as LogRecord[];
  } finally {
    await deleteLogReading(access, id);
  }
}
