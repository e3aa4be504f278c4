import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/** Address of the ports that endpoints have of their own at the gateway: this machine and nobody else. */
export const OWN_PORT_HOST = "127.0.0.1";

/**
 * Below those that systems give to outgoing connections (from 32768 on Linux, 49152 elsewhere): while the server is down
 * none of them takes a port away that is in somebody's connection string.
 */
const LOWEST = 20_000;
const HIGHEST = 32_767;
const ATTEMPTS = 64;

/**
 * A TCP port that nothing listens on at this moment. Somebody else may take it before the gateway opens it, and the
 * endpoint then gets another one.
 */
export async function findFreePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(LOWEST, HIGHEST + 1);
    if (await isFree(port)) return port;
  }
  throw new Error(`of ${ATTEMPTS} ports from ${LOWEST} to ${HIGHEST} none is free`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, OWN_PORT_HOST);
  try {
    await once(server, "listening");
    return true;
  } catch {
    return false;
  } finally {
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  }
}
