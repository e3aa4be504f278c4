import type { Socket } from "node:net";
import { SteadySocket } from "./steady-socket.ts";
import { encodeFatal, SQLSTATE } from "./wire.ts";

export interface RelayHooks {
  /** The client has begun something; called at its first bytes after the compute was ready for it. */
  readonly onBusy: () => void;
  /** The compute is ready for the next command, outside of a transaction. */
  readonly onIdle: () => void;
  /** Both sides have gone. */
  readonly onClose: () => void;
  /** What an idle client is told when the compute's side closes without a word; absent: that it has stopped. */
  readonly farewell?: Farewell;
}

interface Farewell {
  readonly sqlstate: string;
  readonly message: string;
}

const STOPPED: Farewell = { sqlstate: SQLSTATE.crash_shutdown, message: "the compute has stopped" };

const READY_BYTES = 6;
/** What is copied rather than kept with the whole buffer that it was read into. */
const SMALL_BYTES = 4096;
/** How long a client may take to read the last of what it was sent. */
const LINGER_MS = 10_000;

/**
 * Carries bytes between a client and its compute until one of them closes. It does not parse them. It only looks
 * whether what the compute sends ends with ReadyForQuery (`Z 00000005 I`), since that is when the session is idle.
 */
export class Relay {
  readonly #client: Socket;
  readonly #compute: Socket;
  readonly #hooks: RelayHooks;
  #idle = true;
  /** The compute's last six bytes, while it has not said that it is ready. */
  readonly #last = Buffer.alloc(READY_BYTES);
  /** The client's socket has not sent at once what it was given last, so what it is given must stay as it is. */
  #lags = false;
  /** Bytes that the compute has sent and the client was given. */
  #carried = 0;
  #chunks = 0;
  /** The compute has said why it closes. */
  #told = false;
  #open = 2;

  /** Both sockets are paused and nothing else listens to them. */
  constructor(client: Socket, compute: Socket, hooks: RelayHooks) {
    this.#client = client;
    this.#compute = compute;
    this.#hooks = hooks;
    client.on("data", (chunk: Buffer) => {
      this.#chunks++;
      if (this.#idle) {
        this.#idle = false;
        hooks.onBusy();
      }
      if (!compute.write(chunk)) client.pause();
    });
    client.on("drain", () => compute.resume()).on("error", () => {});
    compute.on("drain", () => client.resume()).on("error", () => {});
    for (const [socket, onClosed] of [
      [client, this.#onClientClosed],
      [compute, this.#onComputeClosed],
    ] as const) {
      // One that closed before anybody listened says so no more.
      if (socket.closed) queueMicrotask(onClosed);
      else socket.on("close", onClosed);
    }
    client.resume();
    const steady = compute instanceof SteadySocket ? compute : undefined;
    const carry = (chunk: Buffer): boolean => {
      this.#chunks++;
      this.#look(chunk);
      // A TLS socket never sends at once; a plain one does as long as its client reads.
      const copied = this.#lags && chunk.length <= SMALL_BYTES;
      this.#carried += chunk.length;
      const more = client.write(copied ? Buffer.from(chunk) : chunk);
      this.#lags = client.writableLength > 0;
      if (this.#lags && !copied) steady?.keep();
      return more;
    };
    if (steady) {
      steady.divert(carry);
    } else {
      compute.on("data", (chunk: Buffer) => {
        if (!carry(chunk)) compute.pause();
      });
      compute.resume();
    }
  }

  get idle(): boolean {
    return this.#idle;
  }

  /** Goes up with whatever either side sends. */
  get chunks(): number {
    return this.#chunks;
  }

  get carried_bytes(): number {
    return this.#carried;
  }

  /** Ends the session: with a reason where the client can be told one. */
  end(reason: Farewell): void {
    if (this.#idle && this.#client.writable) {
      this.#told = true;
      this.#client.write(encodeFatal(reason));
    }
    closeSoon(this.#client);
    closeSoon(this.#compute);
  }

  #look(chunk: Buffer): void {
    if (this.#idle) {
      // What comes now was not asked for: a notification, or the reason for the end.
      if (chunk[0] === 0x45) this.#told = true;
      return;
    }
    let tail = chunk;
    if (chunk.length < READY_BYTES) {
      this.#last.copyWithin(0, chunk.length);
      chunk.copy(this.#last, READY_BYTES - chunk.length);
      tail = this.#last;
    }
    const at = tail.length - READY_BYTES;
    if (tail[at + 5] === 0x49 && tail[at] === 0x5a && tail.readUInt32BE(at + 1) === 5) {
      this.#last.fill(0);
      this.#idle = true;
      this.#hooks.onIdle();
    } else if (tail === chunk) {
      chunk.copy(this.#last, 0, at);
    }
  }

  readonly #onClientClosed = (): void => {
    closeSoon(this.#compute);
    this.#count();
  };

  readonly #onComputeClosed = (): void => {
    // Between messages there is room for one of ours; within one it would be taken for data.
    if (this.#idle && !this.#told && this.#client.writable) {
      this.#client.write(encodeFatal(this.#hooks.farewell ?? STOPPED));
    }
    closeSoon(this.#client);
    this.#count();
  };

  #count(): void {
    this.#open--;
    if (this.#open === 0) this.#hooks.onClose();
  }
}

/** Sends what is to be sent and closes, whether or not the other side ever reads it. */
export function closeSoon(socket: Socket): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  timer.unref();
  socket.on("close", () => clearTimeout(timer));
  socket.destroySoon();
}
