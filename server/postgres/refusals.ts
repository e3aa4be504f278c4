import { PostgresError } from "./errors.ts";

/** Not given, or more than PostgreSQL's own numbers can express. */
const NO_MEMORY =
  /(ERROR|FATAL): +(could not (map anonymous|create) shared memory|requested shared memory size overflows|invalid value for parameter "shared_memory_size")/;

/**
 * What PostgreSQL's words say of a configuration that it does not start with: `setting_refused` and `no_memory`; undefined
 * where they are about something else.
 */
export function findRefusal(said: string): PostgresError | undefined {
  if (NO_MEMORY.test(said)) {
    return new PostgresError("no_memory", "the machine does not give as much shared memory");
  }
  if (/configuration file ".*" contains errors/.test(said)) {
    const lines = said.split("\n").filter((line) => /parameter|HINT|contains errors/.test(line));
    return new PostgresError("setting_refused", lines.slice(-4).join("\n"));
  }
}
