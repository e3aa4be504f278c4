import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { type Cluster, type ClusterConfig, renderFiles } from "./cluster.ts";
import { runCommand } from "./command.ts";
import { discard, makeOwned, writeOwned } from "./files.ts";
import { findRefusal } from "./refusals.ts";

/** It takes some 10 ms, and more on a machine that is busy. */
const DEADLINE_MS = 10_000;

/**
 * Asks PostgreSQL how many bytes of shared memory a server with this configuration would reserve. Nothing is reserved or
 * started for it, so another server may run on the cluster meanwhile; `directory` is made for it, and removed again.
 * Throws `setting_refused`, and `no_memory` for more than can be expressed.
 */
export async function measureConfig(cluster: Cluster, config: ClusterConfig, directory: string): Promise<number> {
  const { account, binaries } = cluster;
  await discard(directory);
  await makeOwned(directory, account);
  try {
    const files = [...renderFiles(cluster, config), ["PG_VERSION", `${binaries.major}\n`] as const];
    for (const [name, text] of files) await writeOwned(join(directory, name), text, account);
    // It looks for a control file. A link is enough: it reads there, as its own account, and writes here.
    await symlink(join(cluster.directory, "global"), join(directory, "global"));
    const signal = AbortSignal.timeout(DEADLINE_MS);
    const options = { account, signal, error_lines: 100 };
    const mebibytes = await runCommand(binaries.postgres, ["-C", "shared_memory_size", "-D", directory], options);
    return Number(mebibytes) * 1024 ** 2;
  } catch (error) {
    throw findRefusal(error instanceof Error ? error.message : "") ?? error;
  } finally {
    await discard(directory);
  }
}
