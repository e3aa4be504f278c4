import { Socket } from "node:net";

const BYTES = 64 * 1024;

/**
 * A socket that is read into one buffer over and over. Node's streams take a new one of 64 KB for each read, and where
 * a chunk is a few rows, giving those out and collecting them is a good part of what a relay does.
 *
 * Until `divert` what comes is `data`, as with any other socket.
 */
export class SteadySocket extends Socket {
  #buffer = Buffer.allocUnsafeSlow(BYTES);
  #sink = (chunk: Buffer): boolean => this.push(Buffer.from(chunk));

  constructor() {
    super({
      onread: {
        buffer: () => this.#buffer,
        callback: (bytes) => this.#sink(this.#buffer.subarray(0, bytes)),
      },
    });
  }

  /**
   * From now on everything goes to the sink, which says whether it takes more; the socket is paused where it does not.
   * A chunk is overwritten by the next one, unless the sink says `keep`.
   */
  divert(sink: (chunk: Buffer) => boolean): void {
    let more = true;
    for (let chunk = this.read(); chunk !== null; chunk = this.read()) more = sink(chunk);
    this.#sink = sink;
    if (more) this.resume();
    else this.pause();
  }

  /** The chunk that the sink has been given stays as it is: what comes next is read into another buffer. */
  keep(): void {
    this.#buffer = Buffer.allocUnsafeSlow(BYTES);
  }
}
