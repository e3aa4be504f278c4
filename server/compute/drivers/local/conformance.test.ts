import { createServer } from "node:net";
import { systemClock } from "../../../clock.ts";
import { scramVerifier } from "../../../postgres/scram.ts";
import { freePort, makePlace, until, withSession } from "../../../postgres/testing.ts";
import { testDrivers } from "../../conformance.ts";
import { openLocalDriver } from "./driver.ts";

testDrivers("local", true, async () => {
  const cleanUps: (() => unknown)[] = [];
  const place = await makePlace({ after: (work) => cleanUps.push(work as () => unknown) });
  const drivers = await openLocalDriver({ ...place, clock: systemClock });
  return {
    drivers,
    freePort,
    async close() {
      for (const cleanUp of cleanUps) await cleanUp();
    },
    occupyPort(port) {
      const server = createServer();
      const release = () => new Promise<void>((resolve) => server.close(() => resolve()));
      return new Promise((resolve, reject) => {
        server.on("error", reject);
        server.listen(port, "127.0.0.1", () => resolve(release));
      });
    },
    async crash(endpoint_id) {
      const status = await drivers.compute.status(endpoint_id);
      process.kill(status?.pid ?? Number.NaN, "SIGKILL");
      await until("it has gone", async () => (await drivers.compute.status(endpoint_id))?.state === "stopped");
    },
    client: {
      verifier: scramVerifier,
      query: ({ host, port }, login, text) =>
        withSession({ host, port, ...login }, async (session) => (await session.query(text)).rows),
    },
  };
});
