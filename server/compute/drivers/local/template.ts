import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Account } from "../../../postgres/account.ts";
import type { Binaries } from "../../../postgres/binaries.ts";
import { initDataDirectory, SUPERUSER, syncDataDirectory } from "../../../postgres/data-directory.ts";
import type { EventLog } from "../../../postgres/events.ts";
import { copyTree, discard, exists, makePassage, syncDirectory, writePrivateDurably } from "../../../postgres/files.ts";
import { scramVerifier } from "../../../postgres/scram.ts";
import { GROUP, SPARE_DATABASE } from "../../names.ts";
import { dataOf, firstPasswordOf, type Layout } from "./layout.ts";

/**
 * What every branch begins with.
 *
 * All projects run as one operating system account, so whatever lets SQL reach files or programs reaches
 * every project. Hence what Neon grants and this does not:
 * - `pg_read_server_files`, `pg_write_server_files`, `pg_execute_server_program` (Neon neither);
 * - REPLICATION: it loads output plugins by path, and it copies the cluster's files out;
 * - `pg_create_subscription`: it hands libpq a connection string, and libpq 18 appends TLS secrets to any
 *   file that `sslkeylogfile` names, such as another project's `pg_hba.conf`;
 * - CREATEROLE before PostgreSQL 16, where it may grant any of the roles above. The group carries no more
 *   than its members do, since a member can become it with SET ROLE.
 *
 * `pg_read_all_data` reads `pg_authid` too. What it finds there of the superuser is a verifier of 192 random
 * bits, which cannot be guessed, for an account that a client cannot reach.
 */
export function templateStatements(major: number): string[] {
  const createRole = major >= 16 ? "CREATEROLE" : "NOCREATEROLE";
  return [
    `CREATE ROLE ${GROUP} NOLOGIN NOSUPERUSER NOREPLICATION CREATEDB ${createRole} BYPASSRLS`,
    `GRANT pg_read_all_data, pg_write_all_data TO ${GROUP}`,
    `GRANT pg_monitor, pg_signal_backend TO ${GROUP} WITH ADMIN OPTION`,
    // A session in template1 makes every CREATE DATABASE fail.
    "REVOKE CONNECT ON DATABASE template1 FROM PUBLIC",
    // CREATE DATABASE takes 30 to 90 ms, renaming one takes 1.
    `CREATE DATABASE ${SPARE_DATABASE} ALLOW_CONNECTIONS false`,
  ];
}

export interface TemplateOptions {
  readonly layout: Layout;
  readonly binaries: Binaries;
  readonly account: Account;
  readonly log: EventLog;
  /** Copies kept ready. */
  readonly spares: number;
}

const QUIET_MS = 300;

/**
 * The template that branches are copied from, and a few copies made beforehand: `initdb` takes half a
 * second and a copy a quarter of one, while a copy that is ready costs a rename.
 */
export class Template {
  readonly #options: TemplateOptions;
  readonly #folder: string;
  readonly #prefix: string;
  readonly #ready: string[] = [];
  readonly #closing = new AbortController();
  #filling: Promise<void> | undefined;

  private constructor(options: TemplateOptions, key: string) {
    this.#options = options;
    this.#prefix = `${key}.`;
    this.#folder = join(options.layout.templates, key);
  }

  /** Finds the template of these binaries or makes it; discards those of other versions and their copies. */
  static async open(options: TemplateOptions): Promise<Template> {
    const { layout, binaries } = options;
    const content = [binaries.version, ...templateStatements(binaries.major)].join("\n");
    const hash = createHash("sha256").update(content).digest("hex").slice(0, 12);
    const template = new Template(options, `${binaries.major}-${hash}`);
    await template.#discardOthers();
    if (!(await exists(template.#folder))) await template.#make();
    const names = await readdir(layout.spares);
    template.#ready.push(...names.map((name) => join(layout.spares, name)));
    template.refill();
    return template;
  }

  /** Puts a new branch folder at `target`, whose parent must be on the same file system. Survives a loss of power. */
  async instantiate(target: string): Promise<void> {
    const spare = this.#ready.pop();
    const folder = spare ?? (await this.#copy());
    await rename(folder, target);
    await syncDirectory(this.#options.layout.branches);
    this.refill();
  }

  /** Makes copies in the background until there are enough, once it is quiet. Failing is no more than slow: the next branch copies for itself. */
  refill(): void {
    if (this.#filling !== undefined || this.#closing.signal.aborted) return;
    this.#filling = this.#fill()
      .catch((error: unknown) => {
        if (this.#closing.signal.aborted) return;
        const reason = error instanceof Error ? error.message : "unknown";
        this.#options.log.warn("compute.spare_failed", { reason });
      })
      .finally(() => {
        this.#filling = undefined;
      });
  }

  /** Stops the background work, and removes what is not finished. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#filling;
  }

  async #fill(): Promise<void> {
    // The branch just made is about to start, and copying would slow that down for the person who waits for it.
    await delay(QUIET_MS, undefined, { ref: false, signal: this.#closing.signal });
    while (this.#ready.length < this.#options.spares && !this.#closing.signal.aborted) {
      const copy = await this.#copy();
      const spare = join(this.#options.layout.spares, this.#prefix + randomBytes(6).toString("hex"));
      await rename(copy, spare);
      await syncDirectory(this.#options.layout.spares);
      this.#ready.push(spare);
    }
  }

  /**
   * Copies the template into the work folder and writes the copy out. The copy has the template's system
   * identifier; it tells clusters apart for physical replication only, which is not offered between branches.
   */
  async #copy(): Promise<string> {
    const { layout, binaries, account } = this.#options;
    const copy = join(layout.work, `copy-${randomBytes(6).toString("hex")}`);
    const { signal } = this.#closing;
    try {
      await copyTree(this.#folder, copy, signal);
      await syncDataDirectory(dataOf(copy), { binaries, account, signal });
      return copy;
    } catch (error) {
      // On a disk that is full the next one would find less room still.
      await discard(copy);
      throw error;
    }
  }

  async #make(): Promise<void> {
    const { layout, binaries, account, log } = this.#options;
    const began = performance.now();
    const folder = join(layout.work, `template-${randomBytes(6).toString("hex")}`);
    await mkdir(folder, { mode: 0o700 });
    await makePassage(folder, account);
    const password = randomBytes(24).toString("base64url");
    await writePrivateDurably(firstPasswordOf(folder), password);
    const verifier = await scramVerifier(password);
    const statements = [...templateStatements(binaries.major), `ALTER ROLE ${SUPERUSER} PASSWORD '${verifier}'`];
    await initDataDirectory(dataOf(folder), { binaries, account, statements });
    await rename(folder, this.#folder);
    await syncDirectory(layout.templates);
    log.info("compute.template_made", { version: binaries.version, took_ms: Math.round(performance.now() - began) });
  }

  async #discardOthers(): Promise<void> {
    const { layout } = this.#options;
    const isOther = (name: string) => !`${name}.`.startsWith(this.#prefix);
    for (const parent of [layout.templates, layout.spares]) {
      const others = (await readdir(parent)).filter(isOther);
      await Promise.all(others.map((name) => rm(join(parent, name), { recursive: true })));
    }
  }
}
