import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import pg from "pg";
import { systemClock } from "../clock.ts";
import type { ComputeAddress, ComputeSpec, Drivers } from "../compute/driver.ts";
import { openLocalDriver } from "../compute/drivers/local/driver.ts";
import { scramVerifier } from "../postgres/scram.ts";
import { freePort, makePlace, type Place } from "../postgres/testing.ts";
import type { Directory, GatewayEvent, Target } from "./directory.ts";
import { Gateway, type GatewayLimits, type GatewayOptions } from "./gateway.ts";
import { makeTlsIdentity, type TlsIdentity } from "./tls-identity.ts";

/** What the gateway's tests share: a real compute, a directory that counts, and a gateway in front. */

export const ENDPOINT = "ep-test-river-1";
export const DOMAIN = "db.example.test";
export const PASSWORD = "npg_theRightPassword1";

export interface Stage {
  readonly place: Place;
  readonly drivers: Drivers;
  readonly spec: ComputeSpec;
  readonly tls: TlsIdentity;
  readonly verifier: string;
  readonly certificate: string;
  /** Makes the compute run. */
  start(): Promise<ComputeAddress>;
}

/** Starts a compute with the role `owner` and the database `app`. */
export async function makeStage(t: Pick<TestContext, "after">): Promise<Stage> {
  const place = await makePlace(t);
  const drivers = await openLocalDriver({ ...place, clock: systemClock, spares: 0 });
  place.closing.push(() => drivers.compute.shutdown());
  const port = await freePort();
  const spec = { branch_id: "br-a", port, max_connections: 30, admin_password: "the admin password" };
  await drivers.storage.createRoot("br-a", { pg_version: place.binaries.major });
  const start = () => drivers.compute.ensureRunning(ENDPOINT, spec);
  await start();
  const verifier = await scramVerifier(PASSWORD);
  await drivers.compute.apply(ENDPOINT, {
    roles: [{ name: "owner", login: true, verifier }],
    databases: [{ name: "app", owner: "owner" }],
  });
  const file = (name: string) => readFile(join(place.dataDir, "local/tls", name), "utf8");
  const certificate = await file("server.crt");
  const tls = makeTlsIdentity(certificate, await file("server.key"));
  return { place, drivers, spec, tls, verifier, certificate, start };
}

export interface Front {
  readonly gateway: Gateway;
  /** The port that all endpoints share. */
  readonly port: number;
  readonly events: GatewayEvent[];
  /** How often a compute was woken. */
  wakes: number;
  /** May be changed while the gateway runs. */
  target: Target;
  config(change?: pg.ClientConfig): pg.ClientConfig;
}

export interface FrontOptions extends Partial<Omit<GatewayOptions, "directory" | "limits">> {
  readonly limits?: Partial<GatewayLimits>;
  readonly directory?: Partial<Directory>;
}

/** A gateway in front of the stage's compute. */
export async function openFront(
  t: Pick<TestContext, "after">,
  stage: Stage,
  options: FrontOptions = {},
): Promise<Front> {
  const { directory, ...rest } = options;
  const events: GatewayEvent[] = [];
  const gateway = new Gateway({
    tls: () => stage.tls,
    domain: DOMAIN,
    plaintext: "allowed",
    mock_key: randomBytes(32),
    clock: systemClock,
    report: (event) => events.push(event),
    ...rest,
    directory: {
      findTarget: async (id) => (id === ENDPOINT ? front.target : undefined),
      findVerifier: async (id, role) => (id === ENDPOINT && role === "owner" ? stage.verifier : undefined),
      wake: async () => {
        front.wakes++;
        return await stage.start();
      },
      pool: async () => undefined,
      ...directory,
    },
  });
  t.after(() => gateway.close(0));
  const port = await gateway.listen({ host: "127.0.0.1", port: 0 });
  const front: Front = {
    gateway,
    port,
    events,
    wakes: 0,
    target: { allowed_ips: [], max_connections: 20 },
    config: (change = {}) => ({
      host: "127.0.0.1",
      port,
      user: "owner",
      password: PASSWORD,
      database: "app",
      options: `endpoint=${ENDPOINT}`,
      ssl: { rejectUnauthorized: false },
      enableChannelBinding: true,
      connectionTimeoutMillis: 20_000,
      ...change,
    }),
  };
  return front;
}

/** Opens a session that does not mind being ended by the server. */
export async function openSession(config: pg.ClientConfig): Promise<pg.Client> {
  const session = new pg.Client(config);
  session.on("error", () => {});
  await session.connect();
  return session;
}

/** A bare connection, and everything that came over it. */
export class Wire {
  readonly socket: Socket;
  readonly chunks: Buffer[] = [];
  readonly closed: Promise<unknown>;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => this.chunks.push(chunk)).on("error", () => {});
    this.closed = once(socket, "close");
  }

  static async open(port: number): Promise<Wire> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    return new Wire(socket);
  }

  get received(): Buffer {
    return Buffer.concat(this.chunks);
  }

  /** Waits until so many bytes have come in all, and returns all. */
  async waitFor(bytes: number): Promise<Buffer> {
    while (this.received.length < bytes) {
      if (this.socket.closed) throw new Error(`closed after ${this.received.length} bytes`);
      await Promise.race([once(this.socket, "data"), this.closed]);
    }
    return this.received;
  }
}
