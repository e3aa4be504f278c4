import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { AtEnd } from "./server.ts";

/** The least of an SMTP server (RFC 5321): keeps what it is given, and refuses recipients on request. */
export async function smtpSink(t: AtEnd, options: { refuse?: RegExp; silent?: boolean } = {}) {
  const messages: { to: string; data: string }[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => {});
    if (options.silent) return;
    const say = (line: string) => socket.write(`${line}\r\n`);
    let to = "";
    let data: string | undefined;
    let buffered = "";
    const hear = (line: string) => {
      if (data !== undefined) {
        if (line !== ".") {
          data += `${line}\n`;
          return;
        }
        messages.push({ to, data });
        data = undefined;
        say("250 taken");
      } else if (/^(EHLO|HELO|MAIL|RSET)/.test(line)) say("250 ok");
      else if (line.startsWith("RCPT")) {
        to = /<(.*)>/.exec(line)?.[1] ?? "";
        say(options.refuse?.test(to) ? "550 no such mailbox" : "250 ok");
      } else if (line === "DATA") {
        data = "";
        say("354 go on");
      } else if (line === "QUIT") socket.end("221 bye\r\n");
      else say("500 what?");
    };
    socket.on("data", (chunk) => {
      buffered += chunk;
      const lines = buffered.split("\r\n");
      buffered = lines.pop() ?? "";
      lines.forEach(hear);
    });
    say("220 sink");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  t.after(close);
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return { url: `smtp://127.0.0.1:${port}`, messages, close };
}
