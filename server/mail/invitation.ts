import { escapeHtml } from "./html.ts";
import type { Message } from "./mailer.ts";

export interface InvitationMail {
  readonly to: string;
  readonly organization: string;
  readonly invited_by: { readonly name: string; readonly email: string };
  readonly accept_url: string;
  readonly expires_at: string;
}

/** The mail that invites somebody to an organization. Every name in it was typed by a stranger to its reader. */
export function invitationMail({ to, organization, invited_by, accept_url, expires_at }: InvitationMail): Message {
  const who = `${invited_by.name} (${invited_by.email})`;
  const until = `${expires_at.slice(0, 16).replace("T", " ")} UTC`;
  const note = `The link works once, for ${to}, until ${until}. If you did not expect it, ignore this mail.`;
  return {
    template: "invitation",
    to,
    subject: `${invited_by.name} invites you to ${organization} on Latchkey`,
    text: `${who} invites you to join the organization ${organization} on Latchkey.

Accept the invitation:
${accept_url}

${note}
`,
    html: `<!doctype html>
<p>${escapeHtml(who)} invites you to join the organization <b>${escapeHtml(organization)}</b> on Latchkey.</p>
<p><a href="${escapeHtml(accept_url)}">Accept the invitation</a></p>
<p>${escapeHtml(note)}</p>
`,
  };
}
