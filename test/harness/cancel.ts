import { connect as openSocket } from "node:net";

/** As libpq does it: a connection of its own, with the key that the session was given. */
export async function requestCancel(port: number, pid: number, secret: number): Promise<void> {
  const packet = Buffer.alloc(16);
  packet.writeUInt32BE(16, 0);
  packet.writeUInt32BE(80877102, 4);
  packet.writeInt32BE(pid, 8);
  packet.writeInt32BE(secret, 12);
  await new Promise<void>((resolve, reject) => {
    const socket = openSocket(port, "127.0.0.1", () => socket.write(packet));
    socket.on("close", () => resolve()).on("error", reject);
  });
}
