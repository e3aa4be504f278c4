import { createTransport } from "nodemailer";
import type { Config } from "../config.ts";
import { describeError, type Log } from "../log.ts";

/** Mail: the texts that Latchkey sends, and sending them. What they are about belongs to its resource. */

export interface Message {
  /** Name of the template, for the log. */
  readonly template: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

export interface Mailer {
  /**
   * Hands messages to the SMTP server, one after the other, and returns those that it did not take; never
   * rejects. Takes seconds when the server is slow: never to be called under a transaction.
   */
  send<M extends Message>(messages: readonly M[]): Promise<M[]>;
}

/** A server that does not answer must not keep the person waiting who has just clicked "invite". */
const PATIENCE = { dnsTimeout: 5_000, connectionTimeout: 5_000, greetingTimeout: 5_000, socketTimeout: 10_000 };

/** What concerns one recipient; anything else will go wrong with the next message too. */
const ABOUT_RECIPIENT = new Set(["EENVELOPE", "EMESSAGE"]);

/** The mailer of the configured SMTP server, or undefined: then links are shown to whoever asked for them. */
export function createMailer(
  { smtp_url, mail_from }: Pick<Config, "smtp_url" | "mail_from">,
  log: Log,
): Mailer | undefined {
  if (smtp_url === undefined) return undefined;
  const transport = createTransport({ ...PATIENCE, url: smtp_url, disableFileAccess: true, disableUrlAccess: true });
  return {
    async send(messages) {
      const left = [...messages];
      const refused: typeof left = [];
      for (let message = left.shift(); message; message = left.shift()) {
        const { template, to, subject, text, html } = message;
        try {
          await transport.sendMail({ from: mail_from, to: { name: "", address: to }, subject, text, html });
          log.event("mail.sent", { template });
        } catch (error) {
          log.event("mail.failed", { template, error: describeError(error) });
          refused.push(message);
          const code = error instanceof Error && "code" in error ? error.code : undefined;
          if (!ABOUT_RECIPIENT.has(String(code))) break;
        }
      }
      return [...refused, ...left];
    },
  };
}
