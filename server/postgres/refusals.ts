import { PostgresError } from "./errors.ts";

/** Not given, or more than PostgreSQL's own numbers can express. */
const NO_MEMORY =
  /(ERROR|FATAL): +(could not (map anonymous|create) shared memory|requested shared memory size overflows|invalid value for parameter "shared_memory_size")/;

/** PostgreSQL's sentences about a setting, without what follows some of them: the file and the line. */
const SENTENCES =
  /: +(invalid value for parameter "[\w.]+": .*|[-+.\w]+( [\w%]+)? is outside the valid range for parameter "[\w.]+" \([^()\n]*\)|parameter "[\w.]+" requires a (Boolean|numeric) value|unrecognized configuration parameter "[\w.]+")/g;
const LONGEST_SENTENCE = 200;
const MOST_SENTENCES = 5;

/**
 * What PostgreSQL's words say of a configuration that it does not start with: `setting_refused`, whose message is nothing
 * but its sentences about settings, and `no_memory`; undefined where they are about something else.
 */
export function findRefusal(said: string): PostgresError | undefined {
  if (NO_MEMORY.test(said)) {
    return new PostgresError("no_memory", "the machine does not give as much shared memory");
  }
  if (!/configuration file ".*" contains errors/.test(said)) return undefined;
  const sentences = [...said.matchAll(SENTENCES)].map(([, sentence = ""]) => shorten(sentence));
  const first = [...new Set(sentences)].slice(0, MOST_SENTENCES);
  return new PostgresError("setting_refused", first.join("; ") || "PostgreSQL refuses the configuration");
}

/** A value may be as long as a request. */
function shorten(sentence: string): string {
  const characters = [...sentence];
  return characters.length > LONGEST_SENTENCE ? `${characters.slice(0, LONGEST_SENTENCE).join("")}…` : sentence;
}
