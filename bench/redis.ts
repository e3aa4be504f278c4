import { spawn } from "node:child_process";
import { once } from "node:events";
import { freePort } from "../test/harness/server.ts";
import { ensureProgram } from "../test/harness/system-packages.ts";

/** A Redis in memory alone, on any core, as the database is. */
export async function startRedis(directory: string): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const port = await freePort();
  const program = await ensureProgram(["redis-server"], "redis-server");
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", directory];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  // A bench that fails half way leaves nobody running.
  process.once("exit", () => child.kill("SIGKILL"));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      if (chunk.includes("Ready to accept connections")) resolve();
    });
    child.once("exit", (code) => reject(new Error(`Redis ended with ${code}`)));
  });
  return {
    port,
    async stop() {
      const ended = once(child, "exit");
      child.kill();
      await ended;
    },
  };
}
