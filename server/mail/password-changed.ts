import { escapeHtml } from "./html.ts";
import type { Message } from "./mailer.ts";

export interface PasswordChangedMail {
  readonly to: string;
  /** From where, as the server saw it. */
  readonly address: string;
  readonly at: Date;
  readonly keys_ended: boolean;
  readonly forgotten_url: string;
}

/** Tells somebody that their password is another one now: the only sign that there is, if it was not them. */
export function passwordChangedMail({ to, address, at, keys_ended, forgotten_url }: PasswordChangedMail): Message {
  const when = `${at.toISOString().slice(0, 16).replace("T", " ")} UTC`;
  const what = `The password of your account ${to} on Latchkey was changed on ${when}, from ${address}.`;
  const keys = keys_ended
    ? "So have all API keys: until now nobody had shown that this mailbox is theirs, and somebody else may have made them."
    : "API keys go on working.";
  const ended = `Other sessions and logins of command lines have ended. ${keys}`;
  const unasked =
    "If it was not you, set a new password at once, and then look at your API keys and revoke those that are not yours:";
  return {
    template: "password-changed",
    to,
    subject: "Your password for Latchkey was changed",
    text: `${what}
${ended}

${unasked}
${forgotten_url}
`,
    html: `<!doctype html>
<p>${escapeHtml(what)}<br>${escapeHtml(ended)}</p>
<p>${escapeHtml(unasked)}<br><a href="${escapeHtml(forgotten_url)}">${escapeHtml(forgotten_url)}</a></p>
`,
  };
}
