import { inspect } from "node:util";

/**
 * Keys, the heart: the token's format, how a presented token is verified, and how its use is recorded.
 * What a key may do is `access/`; creating, listing and revoking keys is the resource `api-keys/`.
 */

/**
 * A secret in memory. Printing it in any way (JSON, template, `console`, an error's text) gives
 * `[redacted]`; only an explicit `reveal()` gives the text, so that each disclosure can be found by name.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return "[redacted]";
  }

  toJSON(): string {
    return "[redacted]";
  }

  [inspect.custom](): string {
    return "[redacted]";
  }
}
