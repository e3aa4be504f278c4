import { connect, type Socket } from "node:net";

/** Another one for each request, for servers that believe in one proxy: else one address would use its failed credentials up. */
function anyAddress(): string {
  const byte = () => Math.floor(Math.random() * 256);
  return `10.${byte()}.${byte()}.${byte()}`;
}

/**
 * One keep-alive connection that carries one request at a time, as thin as can be: several of these beside
 * three servers on two cores must leave the servers something.
 */
export class HttpConnection {
  readonly #port: number;
  #socket: Socket | undefined;
  #text = "";
  /** Whether the last attempt failed because nobody listened: nothing was sent. */
  was_refused = false;
  /** Whether the last answer asked for another connection. */
  was_sent_away = false;
  #settle: ((status: number | Error) => void) | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  /** Sends a request and returns the status of its answer; rejects when the connection is lost before that. */
  get(path: string, key: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#settle = (outcome) => {
        this.#settle = undefined;
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome);
      };
      const head = `GET ${path} HTTP/1.1\r\nhost: latchkey\r\nx-forwarded-for: ${anyAddress()}\r\n`;
      this.#open().write(`${head}authorization: Bearer ${key}\r\n\r\n`);
    });
  }

  close(): void {
    this.#socket?.destroy();
  }

  #open(): Socket {
    if (this.#socket) return this.#socket;
    const socket = connect(this.#port, "127.0.0.1");
    socket.setNoDelay(true);
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => this.#read(text));
    this.was_refused = false;
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.was_refused = error.code === "ECONNREFUSED";
    });
    socket.on("close", () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#text = "";
      this.#settle?.(new Error("the connection was lost"));
    });
    this.#socket = socket;
    return socket;
  }

  #read(text: string): void {
    this.#text += text;
    const head = this.#text.indexOf("\r\n\r\n");
    if (head < 0) return;
    const length = Number(/content-length: (\d+)/i.exec(this.#text.slice(0, head))?.[1] ?? 0);
    if (this.#text.length < head + 4 + length) return;
    const status = Number(this.#text.slice(9, 12));
    const closes = /connection: close/i.test(this.#text.slice(0, head));
    this.#text = "";
    this.was_sent_away = closes;
    if (closes) {
      this.#socket?.destroy();
      this.#socket = undefined;
    }
    this.#settle?.(status);
  }
}
