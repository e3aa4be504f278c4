import { connect, type TLSSocket } from "node:tls";
import type { Clock } from "../../clock.ts";
import { ComputeAway } from "../compute-session.ts";
import type { DistantCompute, Login, Reached } from "../directory.ts";
import { Inbox } from "../inbox.ts";
import { SQLSTATE, WireError } from "../wire.ts";
import type { LinkIdentity } from "./identity.ts";
import { AHEAD_LIMIT, type Answer, detach, digestOf, LINK_PROTOCOL, type Question, receive, send } from "./wire.ts";

/** The node that an endpoint's data lie on, as the database has it. */
export interface EndpointNode {
  readonly node_id: string;
  /** HOST:PORT; null: it is reached by nobody. */
  readonly address: string | null;
  readonly certificate_digest: string | null;
  /** Why it is not worth trying, for people who have proved who they are. */
  readonly lost: string | undefined;
}

export interface LinksDeps {
  readonly node_id: string;
  readonly identity: LinkIdentity;
  readonly findNode: (endpoint_id: string) => Promise<EndpointNode | undefined>;
  readonly clock: Pick<Clock, "monotonic_ms">;
}

const CONNECT_WITHIN_MS = 3_000;
/** A stranger waits for this one. */
const VERIFIER_WITHIN_MS = 1_000;
/** For so long a node that let one wait in vain is not asked for strangers, who have the answer of the rows. */
const SILENT_FOR_MS = 5_000;
/** Waking, and a branch that is being made, included. */
const SESSION_WITHIN_MS = 60_000;
/** How often it is looked meanwhile whether the node is still there to the database. */
const LOOK_AGAIN_MS = 1_000;

/** This node's way to the computes of others. */
export class Links {
  readonly #deps: LinksDeps;
  /** Until when nodes count as silent. */
  readonly #silent = new Map<string, number>();

  constructor(deps: LinksDeps) {
    this.#deps = deps;
  }

  /** Undefined: the endpoint is this node's, or nobody's. Throws `WireError` where its node is lost. */
  async find(endpoint_id: string): Promise<DistantCompute | undefined> {
    const node = await this.#deps.findNode(endpoint_id);
    if (node === undefined || node.node_id === this.#deps.node_id) return undefined;
    if (node.lost !== undefined) throw new WireError(SQLSTATE.cannot_connect_now, node.lost);
    return this.#placeOf(node, endpoint_id);
  }

  #placeOf(node: EndpointNode, endpoint_id: string, login?: Login): DistantCompute {
    const pooled = login === undefined ? {} : { pooled: login };
    return {
      connect: (ask) => this.#open(node, { ask, endpoint_id, ...pooled }),
      pooled: (other) => this.#placeOf(node, endpoint_id, other),
    };
  }

  /** Asks an endpoint's node what a role has in place of its password; undefined where that cannot be learnt. */
  async askVerifier(endpoint_id: string, role: string): Promise<{ readonly verifier?: string } | undefined> {
    const node = await this.#deps.findNode(endpoint_id);
    if (node === undefined || node.lost !== undefined) return undefined;
    if (this.#deps.clock.monotonic_ms() < (this.#silent.get(node.node_id) ?? Number.NEGATIVE_INFINITY))
      return undefined;
    try {
      const { link, inbox, answer } = await this.#ask(node, { ask: "verifier", endpoint_id, role }, VERIFIER_WITHIN_MS);
      inbox.detach();
      link.destroy();
      return "refusal" in answer || "away" in answer ? undefined : answer;
    } catch (error) {
      if (error instanceof ComputeAway) return undefined;
      throw error;
    }
  }

  /**
   * A stream to the compute's socket. Throws `WireError`, and `ComputeAway` where it is worth another try. A node that is cut
   * off from the database hands over what runs, and cannot wake what does not: who waits for that is told once it counts as lost.
   */
  async #open(node: EndpointNode, question: Question): Promise<Reached> {
    const lost = new AbortController();
    const looking = setInterval(async () => {
      const now = await this.#deps.findNode(question.endpoint_id).catch(() => undefined);
      if (now?.lost !== undefined) lost.abort();
    }, LOOK_AGAIN_MS);
    const { link, inbox, answer } = await this.#ask(node, question, SESSION_WITHIN_MS, lost.signal).finally(() =>
      clearInterval(looking),
    );
    if ("refusal" in answer || "away" in answer) {
      link.destroy();
      if ("away" in answer) throw new ComputeAway("the compute cannot be reached at its node");
      throw new WireError(answer.refusal.sqlstate, answer.refusal.message);
    }
    detach(link, inbox);
    return { socket: link, pooled: answer.pooled === true };
  }

  async #ask(node: EndpointNode, question: Question, within_ms: number, lost?: AbortSignal) {
    const link = await this.#connect(node);
    const giveUp = () => link.destroy();
    const timer = setTimeout(giveUp, within_ms);
    lost?.addEventListener("abort", giveUp);
    if (lost?.aborted) giveUp();
    const inbox = new Inbox(link, AHEAD_LIMIT);
    try {
      send(link, question);
      return { link, inbox, answer: await receive<Answer>(inbox) };
    } catch (cause) {
      link.destroy();
      throw new ComputeAway("the node of the compute does not answer", { cause });
    } finally {
      clearTimeout(timer);
      lost?.removeEventListener("abort", giveUp);
    }
  }

  async #connect({ node_id, address, certificate_digest }: EndpointNode): Promise<TLSSocket> {
    const { hostname, port } = new URL(`link://${address ?? "none:0"}`);
    const link = connect({
      host: hostname.replace(/^\[|\]$/g, ""),
      port: Number(port),
      secureContext: this.#deps.identity.context,
      // The digest below is what counts: these certificates name no host.
      rejectUnauthorized: false,
      ALPNProtocols: [LINK_PROTOCOL],
    });
    const away = (why: string, cause?: unknown) => new ComputeAway(`the node of the compute ${why}`, { cause });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#silent.set(node_id, this.#deps.clock.monotonic_ms() + SILENT_FOR_MS);
        link.destroy(away("does not answer"));
      }, CONNECT_WITHIN_MS);
      const failed = (error?: unknown) => reject(error instanceof ComputeAway ? error : away("is not there", error));
      link.once("error", failed).once("close", failed);
      link.once("secureConnect", () => {
        clearTimeout(timer);
        this.#silent.delete(node_id);
        link.off("close", failed);
        resolve();
      });
      link.once("close", () => clearTimeout(timer));
    });
    // From here on what goes wrong shows as the end.
    link
      .on("error", () => {})
      .setNoDelay(true)
      .setKeepAlive(true);
    const certificate = link.getPeerX509Certificate();
    if (certificate !== undefined && digestOf(certificate) === certificate_digest) return link;
    link.destroy();
    throw away("is another one than the database names");
  }
}
