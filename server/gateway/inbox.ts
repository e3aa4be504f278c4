import type { Socket } from "node:net";
import { type Message, messageBodyLength } from "./wire.ts";

/** Raised when the other side has closed the connection, or it was closed under us. */
export class PeerGone extends Error {
  override readonly name = "PeerGone";
}

/**
 * Reads a socket piece by piece, as long as it is talked with. It holds at most `limit` bytes beyond what was asked
 * for: a peer that sends more is not read from until they are taken.
 */
export class Inbox {
  readonly #socket: Socket;
  readonly #limit: number;
  #held: Buffer = Buffer.alloc(0);
  #gone = false;
  #waiting: { bytes: number; resolve: (data: Buffer) => void; reject: (error: Error) => void } | undefined;

  constructor(socket: Socket, limit: number) {
    this.#socket = socket;
    this.#limit = limit;
    socket.on("data", this.#onData).on("end", this.#onGone).on("close", this.#onGone);
    // Without a listener, each reset of a connection would end the process. `close` follows and says the rest.
    socket.on("error", () => {});
    if (socket.destroyed) this.#gone = true;
  }

  /** How many bytes have come that nobody has taken. */
  get size(): number {
    return this.#held.length;
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** Waits for so many bytes without taking them. One wait at a time. */
  async peek(bytes: number): Promise<Buffer> {
    if (this.#held.length >= bytes) return this.#held.subarray(0, bytes);
    if (this.#gone) throw new PeerGone("the connection was closed");
    return await new Promise((resolve, reject) => {
      this.#waiting = { bytes, resolve, reject };
    });
  }

  async take(bytes: number): Promise<Buffer> {
    const data = await this.peek(bytes);
    this.#held = this.#held.subarray(bytes);
    if (this.#held.length <= this.#limit) this.#socket.resume();
    return data;
  }

  /** Takes a message with a type. Its length is checked before it is awaited. */
  async takeMessage(longest: number): Promise<Message> {
    const bodyLength = messageBodyLength(await this.peek(5), longest);
    const message = await this.take(5 + bodyLength);
    return { type: message.toString("latin1", 0, 1), body: message.subarray(5) };
  }

  /** Stops reading, and returns what was not taken. */
  detach(): Buffer {
    this.#socket.off("data", this.#onData).off("end", this.#onGone).off("close", this.#onGone);
    this.#socket.pause();
    const rest = this.#held;
    this.#held = Buffer.alloc(0);
    return rest;
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const waiting = this.#waiting;
    if (waiting !== undefined && this.#held.length >= waiting.bytes) {
      this.#waiting = undefined;
      waiting.resolve(this.#held.subarray(0, waiting.bytes));
    }
    if (this.#held.length > Math.max(this.#limit, this.#waiting?.bytes ?? 0)) this.#socket.pause();
  };

  readonly #onGone = (): void => {
    this.#gone = true;
    this.#waiting?.reject(new PeerGone("the connection was closed"));
    this.#waiting = undefined;
  };
}
