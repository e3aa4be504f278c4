import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { isAllowedIp, isLoopback, plainAddress } from "./allowed-ips.ts";
import type { CancelKeys } from "./cancel-keys.ts";
import { type CancelTarget, cancelAt } from "./compute-session.ts";
import type { Directory, GatewayEvent, RefusalReason, Target } from "./directory.ts";
import { Inbox, PeerGone } from "./inbox.ts";
import { type Route, routeTo } from "./routing.ts";
import { mockVerifier, type Proven, parseVerifier, ScramServer } from "./scram.ts";
import type { TlsIdentity } from "./tls-identity.ts";
import {
  AUTHENTICATION,
  encodeAuthentication,
  encodeNegotiation,
  encodeSaslMechanisms,
  type FirstPacket,
  firstPacketLength,
  parseFirstPacket,
  parseSaslInitialResponse,
  SQLSTATE,
  type Startup,
  WireError,
} from "./wire.ts";

/** Whose connections may do without TLS: everybody's, nobody's, or those that never leave this machine. */
export type Plaintext = "allowed" | "loopback" | "refused";

export interface HandshakeDeps {
  readonly directory: Directory;
  readonly cancel_keys: CancelKeys<CancelTarget>;
  /** Called for each connection: the certificate may have been replaced. */
  readonly tls: () => TlsIdentity | undefined;
  readonly domain: string | undefined;
  readonly plaintext: Plaintext;
  readonly mock_key: Buffer;
  readonly report: (event: GatewayEvent) => void;
}

/** A client that has proved who it is. Nothing has been woken for it yet. */
export interface Admitted {
  /** The client's, encrypted where it asked for that; paused, with what it has sent beyond the handshake still in it. */
  readonly inbox: Inbox;
  readonly socket: Socket;
  readonly tls: boolean;
  readonly startup: Startup;
  readonly route: Route;
  readonly target: Target;
  readonly proven: Proven;
}

/** A refusal whose true reason is for the log alone. */
export class Refused extends WireError {
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, sqlstate: string, message: string, hint?: string) {
    super(sqlstate, message, hint === undefined ? {} : { hint });
    this.reason = reason;
  }
}

/** As in PostgreSQL (`PG_MAX_SASL_MESSAGE_LENGTH`). */
const LONGEST_SASL_MESSAGE = 1024;
/** What a client may send ahead; an honest one sends nothing. */
const AHEAD_LIMIT = 8 * 1024;
const TLS_HANDSHAKE = 0x16;
const ALPN = "postgresql";

/** One client's way from the first byte to the proof of its password. */
export class Handshake {
  readonly #deps: HandshakeDeps;
  readonly address: string;
  /** The one to answer on: the encrypted one as soon as there is one. */
  socket: Socket;
  /** What the client has asked for, as far as it is known. */
  endpoint_id: string | undefined;
  readonly #port_endpoint_id: string | undefined;
  #inbox: Inbox;
  #server_name: string | undefined;
  #tls: TlsIdentity | undefined;

  constructor(deps: HandshakeDeps, socket: Socket, port_endpoint_id: string | undefined) {
    this.#deps = deps;
    this.socket = socket;
    this.address = plainAddress(socket.remoteAddress ?? "");
    this.#port_endpoint_id = port_endpoint_id;
    this.#inbox = new Inbox(socket, AHEAD_LIMIT);
  }

  /** Undefined: the connection was for a cancel request, which has been served. Throws `WireError` and `PeerGone`. */
  async run(): Promise<Admitted | undefined> {
    const packet = await this.#readFirst();
    if (packet.kind === "cancel") {
      const target = this.#deps.cancel_keys.find(packet.key);
      if (target !== undefined) await cancelAt(target.at, target.key);
      return undefined;
    }
    if (this.#tls === undefined && !this.#mayBePlain()) {
      const hint = "Add sslmode=require to the connection string.";
      throw new Refused("plaintext", SQLSTATE.invalid_authorization, "connection is insecure", hint);
    }
    const server_name = this.#server_name;
    const { parameters, minor, negotiate } = packet;
    const route = routeTo({ server_name, port_endpoint_id: this.#port_endpoint_id, parameters }, this.#deps.domain);
    this.endpoint_id = route.endpoint_id;
    if (negotiate) this.socket.write(encodeNegotiation(minor, negotiate.unknown_options));
    const { proven, target } = await this.#authenticate(route);
    return {
      inbox: this.#inbox,
      socket: this.socket,
      tls: this.#tls !== undefined,
      startup: packet,
      route,
      target,
      proven,
    };
  }

  #mayBePlain(): boolean {
    const { plaintext } = this.#deps;
    return plaintext === "allowed" || (plaintext === "loopback" && isLoopback(this.address));
  }

  async #readFirst(): Promise<Extract<FirstPacket, { kind: "cancel" | "startup" }>> {
    // PostgreSQL 17 and later: `sslnegotiation=direct` begins with TLS, and saves a round trip.
    if ((await this.#inbox.peek(1))[0] === TLS_HANDSHAKE && this.#deps.tls()) await this.#beginTls("direct");
    const asked = new Set<string>();
    for (;;) {
      const packet = parseFirstPacket(await this.#inbox.take(firstPacketLength(await this.#inbox.peek(4))));
      if (packet.kind === "startup" || packet.kind === "cancel") return packet;
      if (asked.has(packet.kind) || this.#tls !== undefined) {
        throw new WireError(SQLSTATE.protocol_violation, "encryption was negotiated before");
      }
      asked.add(packet.kind);
      if (packet.kind === "ssl_request" && this.#deps.tls()) await this.#beginTls("asked");
      else this.socket.write("N");
    }
  }

  async #beginTls(how: "direct" | "asked"): Promise<void> {
    const identity = this.#deps.tls();
    if (identity === undefined) return;
    const raw = this.socket;
    const ahead = this.#inbox.detach();
    if (how === "asked") {
      // Somebody between us could put plain bytes behind the client's request for TLS, and we would take them for
      // what the client says inside of it (CVE-2021-23222).
      if (ahead.length > 0) {
        throw new WireError(SQLSTATE.protocol_violation, "received unencrypted data after SSL request");
      }
      raw.write("S");
    } else {
      raw.unshift(ahead);
    }
    const { context: secureContext } = identity;
    const socket = new TLSSocket(raw, { isServer: true, secureContext, ALPNProtocols: [ALPN] });
    this.socket = socket;
    await secured(socket, raw);
    if (how === "direct" && socket.alpnProtocol !== ALPN) {
      // Without it another protocol's client could be made to speak to us (the ALPACA attack).
      throw new WireError(SQLSTATE.protocol_violation, "direct SSL connections need the ALPN protocol postgresql");
    }
    this.#server_name = servernameOf(socket);
    this.#tls = identity;
    this.#inbox = new Inbox(socket, AHEAD_LIMIT);
  }

  /**
   * The same messages in the same order, after the same work, whether the endpoint and the role exist or not, until
   * the password is proved. Who has proved it may know why they are refused all the same.
   */
  async #authenticate({ endpoint_id, parameters }: Route): Promise<{ proven: Proven; target: Target }> {
    const { directory, mock_key } = this.#deps;
    const role = parameters.get("user") ?? "";
    const [target, text] = await Promise.all([
      directory.findTarget(endpoint_id),
      directory.findVerifier(endpoint_id, role),
    ]);
    const mock = mockVerifier(mock_key, endpoint_id, role);
    const verifier = parseVerifier(text ?? "");
    const exists = target !== undefined && verifier !== undefined;
    const exchange = new ScramServer({
      verifier: exists ? verifier : mock,
      exists,
      binding: this.#tls?.end_point_hash,
    });
    this.socket.write(encodeSaslMechanisms(exchange.mechanisms()));
    const { mechanism, data } = parseSaslInitialResponse(await this.#takeSaslMessage());
    this.socket.write(encodeAuthentication(AUTHENTICATION.sasl_continue, exchange.start(mechanism, data)));
    const proven = exchange.finish((await this.#takeSaslMessage()).toString("utf8"));
    if (!proven || !target) {
      const reason = !target ? "unknown_endpoint" : verifier ? "wrong_password" : "unknown_role";
      throw new Refused(reason, SQLSTATE.invalid_password, `password authentication failed for user "${role}"`);
    }
    this.socket.write(encodeAuthentication(AUTHENTICATION.sasl_final, proven.server_final));
    if (!isAllowedIp(this.address, target.allowed_ips)) {
      proven.client_key.fill(0);
      const message = `this IP address ${this.address} is not allowed to connect to this endpoint`;
      const hint = "Add it to the project's list of allowed addresses.";
      throw new Refused("ip_not_allowed", SQLSTATE.invalid_authorization, message, hint);
    }
    if (target.disabled) {
      proven.client_key.fill(0);
      throw new Refused("disabled", SQLSTATE.cannot_connect_now, "the endpoint is disabled");
    }
    if (target.quota_exceeded !== undefined) {
      proven.client_key.fill(0);
      // Neon's words as far as they fit, for there are clients that look for them.
      const quota = target.quota_exceeded.replace(/_(?:seconds|bytes)$/, "").replaceAll("_", " ");
      const message = `Your project has exceeded the ${quota} quota.`;
      const raise = `Raise the project's quota "${target.quota_exceeded}"`;
      // The size of a branch is no matter of months.
      const hint =
        target.quota_exceeded === "logical_size_bytes" ? `${raise}.` : `${raise}, or wait for the next month.`;
      throw new Refused("quota_exceeded", SQLSTATE.configuration_limit_exceeded, message, hint);
    }
    return { proven, target };
  }

  async #takeSaslMessage(): Promise<Buffer> {
    const { type, body } = await this.#inbox.takeMessage(LONGEST_SASL_MESSAGE);
    if (type === "p") return body;
    throw new WireError(SQLSTATE.protocol_violation, "expected SASL response");
  }
}

/** Waits for the end of a TLS handshake that the other side began. Throws `PeerGone`. */
export function secured(socket: TLSSocket, raw: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new PeerGone("the TLS handshake did not succeed"));
    // Neither may be without a listener at any moment: an error that nobody listens to ends the process.
    raw.on("error", () => {});
    socket.on("error", gone).once("close", gone);
    socket.once("secure", () => {
      socket.off("close", gone);
      resolve();
    });
  });
}

/** Node knows it as soon as the handshake is done; its types do not. */
function servernameOf(socket: TLSSocket): string | undefined {
  const { servername } = socket as TLSSocket & { readonly servername?: string | false | null };
  return servername || undefined;
}
