import { connect, createServer } from "node:net";

/** `node bare-relay.ts PORT SOCKET`: carries bytes and does nothing else, which is the most that Node can do. */
const [port, path = ""] = process.argv.slice(2);

createServer({ noDelay: true }, (client) => {
  const compute = connect(path);
  for (const [from, to] of [
    [client, compute],
    [compute, client],
  ] as const) {
    from.on("data", (chunk) => {
      if (!to.write(chunk)) from.pause();
    });
    from.on("error", () => {}).on("close", () => to.destroy());
    to.on("drain", () => from.resume());
  }
}).listen(Number(port), "127.0.0.1");
