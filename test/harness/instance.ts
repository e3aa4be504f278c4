import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { parseConfig } from "../../server/config.ts";
import { createLog, type Log } from "../../server/log.ts";
import { findMachinery, type Instance, openInstance } from "../../server/open.ts";

export interface TestInstance extends Instance {
  readonly log: Log;
  readonly data_dir: string;
  /** Everything that has been logged. */
  logged(): string;
  /** Stops the database and removes the directory. */
  end(): Promise<void>;
}

/** A migrated instance on a PostgreSQL of its own, without a server: for tests of stores and rules. */
export async function openTestInstance(): Promise<TestInstance> {
  const data_dir = await mkdtemp(join(tmpdir(), "latchkey-test-"));
  let logged = "";
  const log = createLog(
    "debug",
    new Writable({
      write(chunk, _encoding, done) {
        logged += chunk;
        done();
      },
    }),
  );
  const config = parseConfig({ LATCHKEY_DATA_DIR: data_dir });
  const remove = () => rm(data_dir, { recursive: true, force: true });
  try {
    const instance = await openInstance(config, await findMachinery(config), log);
    const end = async () => {
      await instance.close();
      await remove();
    };
    return { ...instance, log, data_dir, logged: () => logged, end };
  } catch (error) {
    await remove();
    throw error;
  }
}
