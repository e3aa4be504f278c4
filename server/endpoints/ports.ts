import { once } from "node:events";
import { createServer } from "node:net";

/** Address that computes listen on: this machine and nobody else. The gateway will be the way in from outside. */
export const COMPUTE_HOST = "127.0.0.1";

/**
 * A TCP port that nothing listens on at this moment. Somebody else may take it before its compute starts:
 * the driver then says `port_taken`, and the job that starts the compute gives it another one.
 */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, COMPUTE_HOST);
  await once(server, "listening");
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("the system gave no port");
  return address.port;
}
