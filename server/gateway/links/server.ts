import { createServer, type Server, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Clock } from "../../clock.ts";
import { ComputeAway, cancelThrough } from "../compute-session.ts";
import type { ComputePlace, GatewayEvent, Login } from "../directory.ts";
import { Doorway } from "../doorway.ts";
import { secured } from "../handshake.ts";
import { Inbox, PeerGone } from "../inbox.ts";
import { closeSoon } from "../relay.ts";
import type { SessionKind } from "../traffic.ts";
import { SQLSTATE, WireError } from "../wire.ts";
import type { LinkIdentity } from "./identity.ts";
import { AHEAD_LIMIT, type Answer, detach, digestOf, LINK_PROTOCOL, type Question, receive, send } from "./wire.ts";

export interface OpenedForLink {
  readonly join: (link: Socket) => void;
  readonly pooled: boolean;
}

export interface LinkServerDeps {
  readonly identity: LinkIdentity;
  /** Digests of the certificates of all nodes. */
  readonly listKnown: () => Promise<ReadonlySet<string>>;
  readonly findVerifier: (endpoint_id: string, role: string) => Promise<string | undefined>;
  readonly gateway: {
    /** Throws `WireError`, `ComputeAway`. What it returns is to be called with the link, in the same turn. */
    openForLink(endpoint_id: string, login: Login | undefined): Promise<OpenedForLink>;
    addressOf(endpoint_id: string, kind: SessionKind): ComputePlace | undefined;
  };
  readonly clock: Pick<Clock, "monotonic_ms">;
  readonly report: (event: GatewayEvent) => void;
}

/** Strangers can only take places in front of the door. */
const DOORWAY = { places: 64, deadline_ms: 5_000 };
/** A node that has just started is let in by a second look at the rows; strangers do not cause more than one a second. */
const LOOK_AGAIN_MS = 1_000;

/** This node's end of links that others open. */
export class LinkServer {
  readonly #deps: LinkServerDeps;
  readonly #doorway: Doorway;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #known: ReadonlySet<string> = new Set();
  #looked_ms = Number.NEGATIVE_INFINITY;

  constructor(deps: LinkServerDeps) {
    this.#deps = deps;
    this.#doorway = new Doorway(DOORWAY, deps.clock);
    this.#server = createServer({ noDelay: true, keepAlive: true }, (socket) => void this.#serve(socket));
  }

  /** Returns the port. Rejects with EADDRINUSE. */
  async listen(address: { readonly host?: string; readonly port: number }): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject).listen(address, () => {
        this.#server.off("error", reject).on("error", () => {});
        resolve();
      });
    });
    const bound = this.#server.address();
    return typeof bound === "object" && bound !== null ? bound.port : address.port;
  }

  /** Ends all links. To be called when the gateway has let its sessions end. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** One link from its first byte; never rejects. */
  async #serve(raw: Socket): Promise<void> {
    this.#sockets.add(raw);
    raw.on("close", () => this.#sockets.delete(raw)).on("error", () => {});
    const leave = this.#doorway.enter(raw.remoteAddress ?? "", () => raw.destroy());
    raw.on("close", leave);
    try {
      const link = await this.#admit(raw);
      const inbox = new Inbox(link, AHEAD_LIMIT);
      const question = await receive<Question>(inbox);
      leave();
      await this.#answer(question, link, inbox);
    } catch (error) {
      if (!(error instanceof PeerGone)) this.#deps.report({ event: "failed", error });
      raw.destroy();
    }
  }

  /** Throws `PeerGone` for whoever is no node of this database. */
  async #admit(raw: Socket): Promise<TLSSocket> {
    const link = new TLSSocket(raw, {
      isServer: true,
      secureContext: this.#deps.identity.context,
      requestCert: true,
      // Nobody vouches for these certificates but the database.
      rejectUnauthorized: false,
      ALPNProtocols: [LINK_PROTOCOL],
    });
    await secured(link, raw);
    const certificate = link.getPeerX509Certificate();
    if (link.alpnProtocol === LINK_PROTOCOL && certificate && (await this.#isKnown(digestOf(certificate)))) return link;
    throw new PeerGone("no node of this database");
  }

  async #isKnown(digest: string): Promise<boolean> {
    const { clock, listKnown } = this.#deps;
    if (!this.#known.has(digest) && clock.monotonic_ms() - this.#looked_ms >= LOOK_AGAIN_MS) {
      this.#looked_ms = clock.monotonic_ms();
      this.#known = await listKnown();
    }
    return this.#known.has(digest);
  }

  async #answer(question: Question, link: TLSSocket, inbox: Inbox): Promise<void> {
    const { gateway, findVerifier } = this.#deps;
    if (question.ask === "verifier") {
      const verifier = await findVerifier(question.endpoint_id, question.role);
      send(link, verifier === undefined ? {} : { verifier });
      return closeSoon(link);
    }
    try {
      if (question.ask === "cancel") {
        const at = gateway.addressOf(question.endpoint_id, question.pooled ? "pooled" : "direct");
        if (at === undefined) throw new ComputeAway("nothing to cancel");
        send(link, {});
        detach(link, inbox);
        return await cancelThrough(link, at);
      }
      const { join, pooled } = await gateway.openForLink(question.endpoint_id, question.pooled);
      // Nothing may be awaited from here on: a socket that nobody listens to loses what comes.
      send(link, pooled ? { pooled } : {});
      detach(link, inbox);
      join(link);
    } catch (error) {
      send(link, this.#refusalFor(error));
      closeSoon(link);
    }
  }

  #refusalFor(error: unknown): Answer {
    if (error instanceof ComputeAway) return { away: true };
    if (error instanceof WireError) return { refusal: { sqlstate: error.sqlstate, message: error.message } };
    this.#deps.report({ event: "failed", error });
    const message = "the service is not available right now, try again";
    return { refusal: { sqlstate: SQLSTATE.cannot_connect_now, message } };
  }
}
