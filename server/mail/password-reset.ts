import { escapeHtml } from "./html.ts";
import type { Message } from "./mailer.ts";

export interface PasswordResetMail {
  readonly to: string;
  readonly reset_url: string;
  readonly minutes: number;
}

/** The mail to somebody who has forgotten their password, or whose address somebody else has typed. */
export function passwordResetMail({ to, reset_url, minutes }: PasswordResetMail): Message {
  const note = `The link works once, for ${minutes} minutes. Setting a new password signs you out everywhere.`;
  const unasked = "If you did not ask for it, ignore this mail: your password stays as it is.";
  return {
    template: "password-reset",
    to,
    subject: "Set a new password for Latchkey",
    text: `Somebody asked for a new password of your account ${to} on Latchkey.

Set a new password:
${reset_url}

${note}
${unasked}
`,
    html: `<!doctype html>
<p>Somebody asked for a new password of your account ${escapeHtml(to)} on Latchkey.</p>
<p><a href="${escapeHtml(reset_url)}">Set a new password</a></p>
<p>${escapeHtml(note)}<br>${escapeHtml(unasked)}</p>
`,
  };
}
