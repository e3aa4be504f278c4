import { createServer, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../clock.ts";
import { CancelKeys } from "./cancel-keys.ts";
import {
  type CancelTarget,
  ComputeAway,
  ComputeRefused,
  type ComputeSession,
  openComputeSession,
  reach,
} from "./compute-session.ts";
import type { ComputePlace, ComputeSocket, Directory, GatewayEvent, Login, Target } from "./directory.ts";
import { Doorway } from "./doorway.ts";
import { type Admitted, Handshake, type HandshakeDeps, type Plaintext, Refused } from "./handshake.ts";
import { PeerGone } from "./inbox.ts";
import type { OpenedForLink } from "./links/server.ts";
import { closeSoon, Relay } from "./relay.ts";
import { VerifierChanged } from "./scram.ts";
import { SingleFlight } from "./single-flight.ts";
import type { TlsIdentity } from "./tls-identity.ts";
import { type SessionKind, type Traffic, TrafficBook } from "./traffic.ts";
import {
  AUTHENTICATION,
  encodeAuthentication,
  encodeBackendKey,
  encodeFatal,
  encodeNotice,
  SQLSTATE,
  WireError,
} from "./wire.ts";

export interface GatewayOptions {
  readonly directory: Directory;
  /** Asked for each connection, so that a renewed certificate is taken up. Undefined: there is no TLS. */
  readonly tls: () => TlsIdentity | undefined;
  /** `<endpoint>.<domain>` names an endpoint. Absent: names say nothing. */
  readonly domain?: string;
  readonly plaintext: Plaintext;
  /** Secret, the same at every start and node: what unknown endpoints and roles answer is made of it. */
  readonly mock_key: Buffer;
  readonly clock: Pick<Clock, "monotonic_ms">;
  readonly report: (event: GatewayEvent) => void;
  readonly limits?: Partial<GatewayLimits>;
}

export interface GatewayLimits {
  /** How many connections that have not proved a password there may be at a time. */
  readonly half_open: number;
  /** And for how long each. */
  readonly half_open_ms: number;
  /** How long a client waits for its compute. */
  readonly wake_ms: number;
  /** And, once that takes connections, for it to let the client in. */
  readonly sign_in_ms: number;
}

const LIMITS: GatewayLimits = { half_open: 512, half_open_ms: 10_000, wake_ms: 60_000, sign_in_ms: 60_000 };
const SHUTDOWN = { sqlstate: SQLSTATE.admin_shutdown, message: "terminating connection due to administrator command" };
const AUTHENTICATION_OK = encodeAuthentication(AUTHENTICATION.ok);
const NO_POOLER = encodeNotice({
  sqlstate: "01000",
  message: "there is no pooler for this connection: it is a session of its own",
});
const RETRY_MS = 25;
/** A client that has vanished without a word is noticed by this, and its session does not keep a compute awake. */
const KEEP_ALIVE_MS = 60_000;

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** The way in for Postgres clients. Listens nowhere at first. */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #limits: GatewayLimits;
  readonly #doorway: Doorway;
  readonly #traffic: TrafficBook;
  readonly #cancel_keys = new CancelKeys<CancelTarget>();
  readonly #wakes: SingleFlight<ComputePlace>;
  /** Where computes were last. One that has gone is not there, and nobody else ever is: then it is woken. */
  readonly #addresses = new Map<string, ComputePlace>();
  /** And their poolers, for cancel requests of other nodes' clients. */
  readonly #poolers = new Map<string, ComputeSocket>();
  readonly #handshake: HandshakeDeps;
  /** Port of each endpoint's own, by its id; the shared one under "". */
  readonly #servers = new Map<string, Server>();
  /** Every connection from its first byte, to be closed at the end. */
  readonly #sockets = new Set<Socket>();
  #closing = false;

  constructor(options: GatewayOptions) {
    const { directory, tls, domain, plaintext, mock_key, report, clock } = options;
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#doorway = new Doorway({ places: this.#limits.half_open, deadline_ms: this.#limits.half_open_ms }, clock);
    this.#traffic = new TrafficBook(clock);
    this.#wakes = new SingleFlight((endpoint_id) => directory.wake(endpoint_id));
    this.#handshake = { directory, tls, domain, plaintext, mock_key, report, cancel_keys: this.#cancel_keys };
  }

  /** Listens on the port that all endpoints share; returns the port, which is chosen where 0 is asked for. */
  async listen(address: ListenAddress): Promise<number> {
    return await this.#listen("", address);
  }

  /** Listens on a port that means an endpoint; nothing changes when it does already. Rejects with EADDRINUSE. */
  async openPort(endpoint_id: string, address: ListenAddress): Promise<number> {
    const present = this.#servers.get(endpoint_id);
    if (present !== undefined) {
      if (portOf(present) === address.port) return address.port;
      this.closePort(endpoint_id);
    }
    return await this.#listen(endpoint_id, address);
  }

  /** Takes no more clients at the endpoint's port; those that are connected stay. */
  closePort(endpoint_id: string): void {
    this.#servers.get(endpoint_id)?.close();
    this.#servers.delete(endpoint_id);
    this.#addresses.delete(endpoint_id);
    this.#poolers.delete(endpoint_id);
    this.#traffic.forget(endpoint_id);
  }

  /** The endpoints that have a port open. */
  openPorts(): ReadonlyMap<string, number> {
    return new Map([...this.#servers].filter(([id]) => id !== "").map(([id, server]) => [id, portOf(server)]));
  }

  /** Who uses the endpoint now. */
  trafficOf(endpoint_id: string): Traffic {
    return this.#traffic.of(endpoint_id);
  }

  /** How many clients are connected, or wait for their compute. */
  get sessions(): number {
    return this.#traffic.open;
  }

  /** How many connections have not proved a password yet. */
  get half_open(): number {
    return this.#doorway.count;
  }

  /** The compute is about to stop: clients that come from now on have it woken, and do not find it on its way down. */
  forgetAddress(endpoint_id: string): void {
    this.#addresses.delete(endpoint_id);
  }

  /** Ends the sessions of an endpoint, whatever they do: it is deleted, or may no longer be used. */
  disconnect(endpoint_id: string): void {
    for (const relay of this.#traffic.sessionsOf(endpoint_id)) relay.end(SHUTDOWN);
  }

  /**
   * Takes no more clients and ends: those that are idle at once, those that are not as soon as they are, and everything
   * at the deadline. Resolves when the last connection has gone.
   */
  async close(deadline_ms: number): Promise<void> {
    this.#closing = true;
    const { clock } = this.#options;
    const until_ms = clock.monotonic_ms() + deadline_ms;
    const closed = [...this.#servers.values()].map((server) => new Promise((resolve) => server.close(resolve)));
    this.#servers.clear();
    while (this.#traffic.open > 0 && clock.monotonic_ms() < until_ms) {
      for (const relay of this.#traffic.sessions()) if (relay.idle) relay.end(SHUTDOWN);
      await delay(5);
    }
    for (const relay of this.#traffic.sessions()) relay.end(SHUTDOWN);
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }

  async #listen(endpoint_id: string, { host, port }: ListenAddress): Promise<number> {
    const port_endpoint_id = endpoint_id === "" ? undefined : endpoint_id;
    const options = { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
    const server = createServer(options, (socket) => void this.#serve(socket, port_endpoint_id));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen({ host, port }, () => {
        server.off("error", reject);
        resolve();
      });
    });
    // Running out of file descriptors fails one accept; without a listener it would end the process.
    server.on("error", () => {});
    this.#servers.set(endpoint_id, server);
    return portOf(server);
  }

  /** One connection from its first byte; never rejects. */
  async #serve(raw: Socket, port_endpoint_id: string | undefined): Promise<void> {
    this.#sockets.add(raw);
    raw.on("close", () => this.#sockets.delete(raw));
    const handshake = new Handshake(this.#handshake, raw, port_endpoint_id);
    const leave = this.#doorway.enter(handshake.address, (reason) => {
      this.#options.report({ event: "refused", reason, address: handshake.address });
      raw.destroy();
    });
    raw.on("close", leave);
    try {
      const admitted = await handshake.run();
      leave();
      if (admitted === undefined) closeSoon(handshake.socket);
      else await this.#open(admitted);
    } catch (error) {
      leave();
      this.#refuse(handshake, error);
    }
  }

  #refuse(handshake: Handshake, error: unknown): void {
    const { socket, address, endpoint_id } = handshake;
    if (error instanceof WireError) {
      const reason = error instanceof Refused ? error.reason : "protocol";
      this.#options.report({
        event: "refused",
        reason,
        address,
        ...(endpoint_id === undefined ? {} : { endpoint_id }),
      });
      socket.write(encodeFatal(error));
    } else if (error instanceof ComputeRefused) {
      socket.write(error.response);
    } else if (!(error instanceof PeerGone || error instanceof ComputeAway)) {
      this.#options.report({ event: "failed", error, ...(endpoint_id === undefined ? {} : { endpoint_id }) });
      const message = "the service is not available right now, try again";
      socket.write(encodeFatal({ sqlstate: SQLSTATE.cannot_connect_now, message }));
    }
    closeSoon(socket);
  }

  /**
   * Opens a compute of this node, or its pooler, for a client that another node's gateway has let in. `join` carries that
   * link's bytes, and is to be called in the same turn. Throws `WireError`, `ComputeAway`.
   */
  async openForLink(endpoint_id: string, login: Login | undefined): Promise<OpenedForLink> {
    const target = await this.#options.directory.findTarget(endpoint_id);
    if (this.#closing || !target || target.disabled) throw new WireError(SHUTDOWN.sqlstate, SHUTDOWN.message);
    const kind = kindOf(target, login !== undefined);
    this.#beginOpening(endpoint_id, kind, target);
    try {
      const at = this.#addresses.get(endpoint_id) ?? (await this.#wake(endpoint_id));
      // Sent on, it could go round in a circle.
      if ("connect" in at) throw new ComputeAway("the compute is on another node");
      const { socket, pooled } = await this.#reachFor(endpoint_id, at, login).catch((error) => {
        if (this.#addresses.get(endpoint_id) === at) this.#addresses.delete(endpoint_id);
        throw error;
      });
      return { join: (link) => this.#carry(endpoint_id, kind, link, socket), pooled };
    } finally {
      this.#traffic.endOpening(endpoint_id, kind);
    }
  }

  async #reachFor(endpoint_id: string, at: ComputePlace, login: Login | undefined) {
    try {
      return await reach(login === undefined ? at : await this.#poolerOf(endpoint_id, at, login), "session");
    } catch (error) {
      if (error instanceof VerifierChanged) throw new WireError(SQLSTATE.invalid_password, error.message);
      throw error;
    }
  }

  /** Where a compute or its pooler was last, for what makes sense only if it is there still. */
  addressOf(endpoint_id: string, kind: SessionKind): ComputePlace | undefined {
    return (kind === "pooled" ? this.#poolers : this.#addresses).get(endpoint_id);
  }

  /** The pooler in front of a compute; the compute itself where there is none for this login. */
  async #poolerOf(endpoint_id: string, at: ComputePlace, login: Login): Promise<ComputePlace> {
    if ("connect" in at) return at.pooled(login);
    const pooler = await this.#options.directory.pool(endpoint_id, login);
    if (pooler === undefined) return at;
    this.#poolers.set(endpoint_id, pooler);
    return pooler;
  }

  #beginOpening(endpoint_id: string, kind: SessionKind, target: Target): void {
    const { max_connections, max_pooled_connections = 0 } = target;
    const limit = kind === "pooled" ? max_pooled_connections : max_connections;
    if (this.#traffic.beginOpening(endpoint_id, kind, limit)) return;
    const message = `too many connections for endpoint, which takes ${limit}`;
    throw new Refused("too_many_connections", SQLSTATE.too_many_connections, message);
  }

  async #open(admitted: Admitted): Promise<void> {
    const { route, target, proven, inbox, socket } = admitted;
    const { endpoint_id, pooled } = route;
    const kind = kindOf(target, pooled);
    const began_ms = this.#options.clock.monotonic_ms();
    try {
      if (this.#closing) throw new WireError(SHUTDOWN.sqlstate, SHUTDOWN.message);
      this.#beginOpening(endpoint_id, kind, target);
      try {
        const { session, at } = await this.#reachCompute(admitted, began_ms + this.#limits.wake_ms);
        // Nothing may be awaited from here on: a socket that nobody listens to loses what comes.
        this.#join(admitted, kind, session, at);
      } finally {
        this.#traffic.endOpening(endpoint_id, kind);
      }
      const took_ms = this.#options.clock.monotonic_ms() - began_ms;
      this.#options.report({ event: "opened", endpoint_id, tls: admitted.tls, took_ms });
    } finally {
      proven.client_key.fill(0);
      if (inbox.gone) socket.destroy();
    }
  }

  /** Wakes the compute and signs in; tries again while the compute is on its way up or down. */
  async #reachCompute(admitted: Admitted, until_ms: number) {
    const { route, inbox } = admitted;
    const { endpoint_id, parameters, pooled } = route;
    const login: Login = { role: parameters.get("user") ?? "", database: parameters.get("database") };
    const { clock } = this.#options;
    for (let tries = 0; ; tries++) {
      const at = this.#addresses.get(endpoint_id) ?? (await this.#wake(endpoint_id));
      if (inbox.gone) throw clientGone();
      try {
        const place = pooled ? await this.#poolerOf(endpoint_id, at, login) : at;
        const session = await this.#signIn(place, admitted);
        if (!inbox.gone) return { at: place, session };
        session.socket.destroy();
        throw clientGone();
      } catch (error) {
        if (error instanceof VerifierChanged) {
          const message = `password authentication failed for user "${parameters.get("user")}"`;
          throw new Refused("verifier_changed", SQLSTATE.invalid_password, message);
        }
        if (!(error instanceof ComputeAway)) throw error;
        const known = this.#addresses.get(endpoint_id) === at && this.#addresses.delete(endpoint_id);
        if (clock.monotonic_ms() > until_ms) {
          throw new WireError(SQLSTATE.cannot_connect_now, "the compute does not take connections, try again");
        }
        if (known && tries === 0) continue;
        await delay(RETRY_MS);
      }
    }
  }

  /** A compute, or a pooler, that hangs is waited for as long as the client is there and has patience. */
  async #signIn(place: ComputePlace, { route, proven, socket }: Admitted): Promise<ComputeSession> {
    const given_up = new AbortController();
    const giveUp = () => given_up.abort();
    const timer = setTimeout(giveUp, this.#limits.sign_in_ms);
    socket.once("close", giveUp);
    try {
      return await openComputeSession(place, route.parameters, proven, given_up.signal);
    } finally {
      clearTimeout(timer);
      socket.off("close", giveUp);
    }
  }

  async #wake(endpoint_id: string): Promise<ComputePlace> {
    try {
      const at = await this.#wakes.run(endpoint_id);
      this.#addresses.set(endpoint_id, at);
      return at;
    } catch (error) {
      this.#options.report({ event: "wake_failed", endpoint_id, error });
      // What the client may be told: its node is lost, or it does not start.
      if (error instanceof WireError) throw error;
      throw new WireError(SQLSTATE.cannot_connect_now, "the compute did not start, try again", { cause: error });
    }
  }

  #join(
    { inbox, socket: client, startup, route }: Admitted,
    kind: SessionKind,
    session: ComputeSession,
    at: ComputePlace,
  ): void {
    const { endpoint_id, pooled } = route;
    const key = this.#cancel_keys.add(startup.minor, { at, key: session.cancel_key });
    const { greeting, ready } = session;
    const notice = pooled && !session.pooled ? NO_POOLER : Buffer.alloc(0);
    client.write(Buffer.concat([AUTHENTICATION_OK, greeting, encodeBackendKey(key), notice, ready]));
    const ahead = inbox.detach();
    if (ahead.length > 0) client.unshift(ahead);
    this.#carry(endpoint_id, kind, client, session.socket, () => this.#cancel_keys.remove(key));
  }

  #carry(endpoint_id: string, kind: SessionKind, client: Socket, compute: Socket, onClose = () => {}): void {
    const relay = new Relay(client, compute, {
      // A pooler that ends does not say so to whoever is idle, and it ends when the compute goes to rest.
      ...(kind === "pooled" ? { farewell: SHUTDOWN } : {}),
      onBusy: () => this.#traffic.touch(endpoint_id),
      onIdle: () => this.#traffic.settle(endpoint_id),
      onClose: () => {
        onClose();
        this.#traffic.remove(endpoint_id, kind, relay);
      },
    });
    this.#traffic.add(endpoint_id, kind, relay);
  }
}

/** Where there is no pooler each client has a session of its own, whatever it asked for. */
const kindOf = ({ max_pooled_connections }: Target, pooled: boolean): SessionKind =>
  pooled && max_pooled_connections !== undefined ? "pooled" : "direct";

const clientGone = () => new PeerGone("the client did not wait for its compute");

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
