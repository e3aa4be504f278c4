import assert from "node:assert/strict";
import { test } from "node:test";
import { smtpSink } from "../../test/harness/smtp-sink.ts";
import { createLog } from "../log.ts";
import { invitationMail } from "./invitation.ts";
import { createMailer } from "./mailer.ts";

function mailerTo(smtp_url: string | undefined) {
  let logged = "";
  const write = (line: string) => {
    logged += line;
  };
  const log = createLog("debug", { write });
  const mailer = createMailer({ smtp_url, mail_from: "Latchkey <keys@example.com>" }, log);
  return { mailer, logged: () => logged };
}

const mail = (to: string, organization = "Acme") =>
  invitationMail({
    to,
    organization,
    invited_by: { name: "Ada", email: "ada@example.com" },
    accept_url: "http://127.0.0.1:4400/invitations/accept#lk_invitation_SECRET",
    expires_at: "2030-01-02T03:04:05.678Z",
  });

test("an invitation goes out as plain text and HTML, with the link that accepts it", async (t) => {
  const sink = await smtpSink(t);
  const { mailer, logged } = mailerTo(sink.url);
  assert.deepEqual(await mailer?.send([mail("bob@example.com")]), []);
  const [message] = sink.messages;
  assert.equal(message?.to, "bob@example.com");
  // Quoted-printable breaks lines where it likes.
  const text = message.data.replaceAll("=\n", "").replaceAll("=3D", "=");
  assert.match(text, /^From: Latchkey <keys@example\.com>$/m);
  assert.match(text, /^Subject: Ada invites you to Acme on Latchkey$/m);
  assert.match(
    text,
    /text\/plain[\s\S]*accept#lk_invitation_SECRET[\s\S]*text\/html[\s\S]*accept#lk_invitation_SECRET/,
  );
  assert.match(text, /until 2030-01-02 03:04 UTC/);
  assert.match(logged(), /"event":"mail.sent"/);
  assert.ok(!logged().includes("SECRET") && !logged().includes("bob@"));
});

test("a name cannot smuggle markup or headers into a mail", async (t) => {
  const sink = await smtpSink(t);
  await mailerTo(sink.url).mailer?.send([mail("bob@example.com", `<script>"x"</script>\r\nBcc: eve@example.com`)]);
  const { html } = mail("bob@example.com", "<script>");
  assert.ok(!html.includes("<script>") && html.includes("&lt;script&gt;"));
  const [headers = ""] = (sink.messages[0]?.data ?? "").split("\n\n");
  assert.match(headers, /^Subject:/m);
  assert.doesNotMatch(headers, /^Bcc:/m);
  assert.deepEqual(
    sink.messages.map(({ to }) => to),
    ["bob@example.com"],
  );
});

test("a recipient that the server refuses is given back, and the others get their mail", async (t) => {
  const sink = await smtpSink(t, { refuse: /^bob/ });
  const { mailer, logged } = mailerTo(sink.url);
  const unsent = await mailer?.send(["ann", "bob", "cid"].map((name) => mail(`${name}@example.com`)));
  assert.deepEqual(
    unsent?.map(({ to }) => to),
    ["bob@example.com"],
  );
  assert.deepEqual(
    sink.messages.map(({ to }) => to),
    ["ann@example.com", "cid@example.com"],
  );
  assert.match(logged(), /"event":"mail.failed"/);
});

test("with the server away every message is given back after one attempt", async (t) => {
  const sink = await smtpSink(t);
  await sink.close();
  const { mailer, logged } = mailerTo(sink.url.replace("//", "//user:hunter22@"));
  const mails = ["ann", "bob", "cid"].map((name) => mail(`${name}@example.com`));
  assert.deepEqual(await mailer?.send(mails), mails);
  assert.equal(logged().match(/mail\.failed/g)?.length, 1);
  assert.ok(!logged().includes("hunter22"));
});

test("without an SMTP server there is no mailer", () => {
  assert.equal(mailerTo(undefined).mailer, undefined);
});
