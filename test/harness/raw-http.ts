import { once } from "node:events";
import { connect } from "node:net";

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * Sends bytes that no HTTP library would send, and reads the answer until the server hangs up or has been
 * silent for the time given. Undefined when there was none.
 */
export async function sendRaw(
  port: number,
  bytes: string | Buffer,
  silence_ms = 2_000,
): Promise<RawAnswer | undefined> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  let text = "";
  socket.setTimeout(silence_ms, () => socket.destroy());
  socket.on("data", (chunk) => {
    text += chunk;
    if (isWhole(text)) socket.end();
  });
  // A reset is an end like any other here: what counts is what came before it.
  socket.on("error", () => {});
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.write(bytes);
  await closed;
  return parse(text);
}

function isWhole(text: string): boolean {
  const answer = parse(text);
  const length = answer?.headers["content-length"];
  return answer !== undefined && length !== undefined && Buffer.byteLength(answer.body) >= Number(length);
}

function parse(text: string): RawAnswer | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [line = "", ...rest] = text.slice(0, end).split("\r\n");
  const headers = rest.map((header) => {
    const colon = header.indexOf(":");
    return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()];
  });
  return { status: Number(line.split(" ")[1]), headers: Object.fromEntries(headers), body: text.slice(end + 4) };
}
