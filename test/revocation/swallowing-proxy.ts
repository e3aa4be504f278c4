import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/**
 * A TCP proxy that can be told to swallow: connections stay open and are still accepted, and what is sent
 * over them disappears. So a network looks when packets are dropped; a refused connection would be kinder.
 */
export class SwallowingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  swallows = false;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(to_port: number): Promise<SwallowingProxy> {
    const server = createServer();
    const proxy = new SwallowingProxy(server);
    server.on("connection", (near) => {
      const far = connect(to_port, "127.0.0.1");
      proxy.#join(near, far);
      proxy.#join(far, near);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return proxy;
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on("data", (chunk) => {
      if (!this.swallows) to.write(chunk);
    });
    from.on("error", () => from.destroy());
    from.on("close", () => {
      this.#sockets.delete(from);
      // While it swallows, not even the end of a connection gets through.
      if (!this.swallows) to.destroy();
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Lets everything through again. What has been swallowed is lost for its connections, which end as by a reset. */
  heal(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.swallows = false;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
