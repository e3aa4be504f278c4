import type { Socket } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { ComputePlace, Reached } from "./directory.ts";
import { Inbox, PeerGone } from "./inbox.ts";
import { type Proven, SCRAM, ScramRelay } from "./scram.ts";
import { SteadySocket } from "./steady-socket.ts";
import {
  AUTHENTICATION,
  type CancelKey,
  encodeCancelRequest,
  encodeMessage,
  encodeSaslInitialResponse,
  encodeSaslResponse,
  encodeStartup,
  type Message,
  parseAuthentication,
  parseBackendKey,
  SQLSTATE,
  sqlstateOf,
} from "./wire.ts";

/** The gateway's side towards a compute: signing in as the role that the client has proved to be. */
export interface ComputeSession {
  readonly socket: Socket;
  /** What the compute said before its first `ReadyForQuery`, for the client; its cancel key is left out. */
  readonly greeting: Buffer;
  /** That `ReadyForQuery`, and whatever followed it. */
  readonly ready: Buffer;
  readonly cancel_key: CancelKey;
  /** It is a pooler's. */
  readonly pooled: boolean;
}

/** What a cancel key of ours stands for. */
export interface CancelTarget {
  readonly at: ComputePlace;
  readonly key: CancelKey;
}

/** The compute's own refusal, to be shown to the client as it is. */
export class ComputeRefused extends Error {
  override readonly name = "ComputeRefused";
  /** An `ErrorResponse`. */
  readonly response: Buffer;
  readonly sqlstate: string | undefined;

  constructor({ type, body }: Message) {
    super("the compute refused the session");
    this.response = encodeMessage(type, body);
    this.sqlstate = sqlstateOf(body);
  }
}

/** Raised when there is nobody to talk to: the compute is starting, stopping, or has just gone. Try again. */
export class ComputeAway extends Error {
  override readonly name = "ComputeAway";
}

/** Starting up, or shutting down since we asked where it is: before a session has begun, and while it begins. */
const AWAY: ReadonlySet<string | undefined> = new Set([
  SQLSTATE.cannot_connect_now,
  SQLSTATE.admin_shutdown,
  SQLSTATE.crash_shutdown,
]);

const LONGEST_MESSAGE = 1024 * 1024;

/** Opens a session, unless it is given up before. Throws `ComputeRefused`, `ComputeAway`, `VerifierChanged`. */
export async function openComputeSession(
  at: ComputePlace,
  parameters: ReadonlyMap<string, string>,
  proven: Pick<Proven, "client_key" | "server_key" | "salt">,
  given_up: AbortSignal,
): Promise<ComputeSession> {
  const { socket, pooled } = await reach(at, "session");
  const giveUp = () => socket.destroy();
  given_up.addEventListener("abort", giveUp);
  if (given_up.aborted) giveUp();
  const inbox = new Inbox(socket, LONGEST_MESSAGE);
  // One that came over a link was paused when the link's own talk was over.
  socket.resume();
  try {
    socket.write(encodeStartup(parameters));
    await signIn(socket, inbox, proven);
    const { greeting, ready, cancel_key } = await readGreeting(inbox);
    return { socket, greeting, ready: Buffer.concat([ready, inbox.detach()]), cancel_key, pooled };
  } catch (error) {
    socket.destroy();
    const away = error instanceof PeerGone || (error instanceof ComputeRefused && AWAY.has(error.sqlstate));
    throw away ? new ComputeAway("the compute does not take sessions", { cause: error }) : error;
  } finally {
    given_up.removeEventListener("abort", giveUp);
  }
}

/** Asks a compute to cancel what the session with that key is doing; returns when it has been asked. */
export async function cancelAt(at: ComputePlace, key: CancelKey): Promise<void> {
  const { socket } = await reach(at, "cancel");
  await new Promise<void>((resolve) => {
    socket.on("close", resolve).on("error", () => {});
    // PostgreSQL answers by closing, after the signal is sent.
    socket.resume().end(encodeCancelRequest(key));
  });
}

/** Passes on a cancel request that comes over a link. */
export async function cancelThrough(link: Socket, at: ComputePlace): Promise<void> {
  const { socket } = await reach(at, "cancel");
  await pipeline(link, socket, link).catch(() => {});
}

/** Connects to the compute. Throws `ComputeAway`, and what its place throws. */
export async function reach(at: ComputePlace, purpose: "session" | "cancel"): Promise<Reached> {
  if ("connect" in at) return await at.connect(purpose);
  const { socket_directory, port, pooled = false } = at;
  return await new Promise((resolve, reject) => {
    const socket = new SteadySocket().connect(join(socket_directory, `.s.PGSQL.${port}`));
    const failed = (error: Error) => reject(new ComputeAway("the compute cannot be reached", { cause: error }));
    socket.once("error", failed).once("connect", () => {
      socket.off("error", failed);
      resolve({ socket, pooled });
    });
  });
}

async function signIn(socket: Socket, inbox: Inbox, proven: Pick<Proven, "client_key" | "server_key" | "salt">) {
  const exchange = new ScramRelay(proven);
  let server_proven = false;
  for (;;) {
    const { type, body } = await inbox.takeMessage(LONGEST_MESSAGE);
    if (type === "E") throw new ComputeRefused({ type, body });
    // A notice of a compute that has not proved itself, or of a lower protocol version, is nothing to act on.
    if (type !== "R") continue;
    const { code, data } = parseAuthentication(body);
    if (code === AUTHENTICATION.sasl && data.toString("latin1").split("\0").includes(SCRAM)) {
      socket.write(encodeSaslInitialResponse(SCRAM, exchange.first()));
    } else if (code === AUTHENTICATION.sasl_continue) {
      socket.write(encodeSaslResponse(exchange.respond(data.toString("utf8"))));
    } else if (code === AUTHENTICATION.sasl_final && exchange.isServerProven(data.toString("utf8"))) {
      server_proven = true;
    } else if (code === AUTHENTICATION.ok && server_proven) {
      return;
    } else {
      throw new Error(`the compute does not authenticate as it should (code ${code})`);
    }
  }
}

async function readGreeting(inbox: Inbox) {
  const messages: Buffer[] = [];
  let cancel_key: CancelKey | undefined;
  for (;;) {
    const { type, body } = await inbox.takeMessage(LONGEST_MESSAGE);
    if (type === "E") throw new ComputeRefused({ type, body });
    if (type === "K") {
      // Copied: it outlives the buffer that it was read into.
      cancel_key = parseBackendKey(Buffer.from(body));
      continue;
    }
    const message = encodeMessage(type, body);
    if (type !== "Z") {
      messages.push(message);
    } else if (cancel_key === undefined) {
      throw new Error("the compute gave no cancel key");
    } else {
      return { greeting: Buffer.concat(messages), ready: message, cancel_key };
    }
  }
}
