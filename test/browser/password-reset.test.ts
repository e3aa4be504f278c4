import assert from "node:assert/strict";
import test, { after } from "node:test";
import { waitFor } from "../harness/server.ts";
import { smtpSink } from "../harness/smtp-sink.ts";
import { setupTokenOf, signUp } from "../harness/world.ts";
import { placesThatHold } from "./secrets-in-page.ts";
import { startStage } from "./visit.ts";

/** Somebody who has forgotten their password comes in again: by mail, and without mail with the server's help. */
const sink = await smtpSink({ after });
const stage = await startStage({ after }, { LATCHKEY_SMTP_URL: sink.url, LATCHKEY_MAIL_FROM: "latchkey@example.com" });
const { server } = stage;
const ada = await signUp(server, "Ada", { setup_token: setupTokenOf(server) }, "ada@example.com");
const { page } = await stage.visit({ expected: /status of (401|404)/ });
const heading = (name: string) => page.getByRole("heading", { level: 1, name, exact: true });
let token = "";

test("the link is asked for on the way to signing in, and comes by mail", async () => {
  await page.goto(`${server.url}/sign-in`);
  await page.getByRole("link", { name: "Forgot password?" }).click();
  await heading("Forgot your password?").waitFor();
  await page.getByRole("button", { name: "Send the link" }).click();
  await page.getByText("Enter an e-mail address.").waitFor();
  await page.getByLabel("E-mail").fill("nobody@example.com");
  await page.getByRole("button", { name: "Send the link" }).click();
  await page.getByText("If nobody@example.com has an account here").waitFor();
  await page.getByRole("button", { name: "Use another address" }).click();
  await page.getByLabel("E-mail").fill("ada@example.com");
  await page.getByRole("button", { name: "Send the link" }).click();
  await page.getByText("If ada@example.com has an account here").waitFor();
  await waitFor("the mail", async () => sink.messages.length > 0);
  const [mail] = sink.messages;
  assert.equal(mail?.to, "ada@example.com");
  // Quoted-printable breaks long lines with a "=" at their end.
  token = /reset-password#(lk_reset_[\w-]{43})/.exec((mail?.data ?? "").replaceAll("=\n", ""))?.[1] ?? "";
  assert.notEqual(token, "");
  assert.equal(sink.messages.length, 1, "nobody gets no mail");
});

test("the link's token leaves the address at once, and sets the password; who was signed in is out", async () => {
  const elsewhere = await stage.visit({ cookie: ada.cookie, expected: /status of 401/ });
  await elsewhere.page.goto(`${server.url}/account/profile`);
  await elsewhere.page.getByRole("heading", { level: 1, name: "Profile" }).waitFor();
  await page.goto(`${server.url}/reset-password#${token}`);
  await heading("Set a new password").waitFor();
  // The browser's own record of how the page was opened, which no page can clear and a reload ends.
  const places = (await placesThatHold(page, token)).filter((place) => place !== "resource timing");
  assert.deepEqual(places, []);
  await page.getByLabel("New password", { exact: true }).fill("short");
  await page.getByRole("button", { name: "Set password" }).click();
  await page.getByText("Use at least 8 characters.").waitFor();
  await page.getByLabel("New password", { exact: true }).fill("four unrelated words");
  await page.getByRole("button", { name: "Set password" }).click();
  await heading("Sign in").waitFor();
  await page.getByText("Your new password is set. Sign in with it.").waitFor();
  await page.getByLabel("E-mail").fill("ada@example.com");
  await page.getByLabel("Password", { exact: true }).fill(ada.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("E-mail or password is wrong.").waitFor();
  await page.getByLabel("Password", { exact: true }).fill("four unrelated words");
  await page.getByRole("button", { name: "Sign in" }).click();
  await heading("Projects").waitFor();
  await elsewhere.page.getByRole("link", { name: "Sessions" }).click();
  await elsewhere.page.getByRole("heading", { level: 1, name: "Sign in" }).waitFor();
});

test("a link that was used says so, and leads to a new one", async () => {
  await page.goto(`${server.url}/reset-password#${token}`);
  await page.getByLabel("New password", { exact: true }).fill("another good password");
  await page.getByRole("button", { name: "Set password" }).click();
  await heading("This link is not good any more").waitFor();
  await page.getByRole("link", { name: "Ask for a new link" }).click();
  await heading("Forgot your password?").waitFor();
});

test("a reload forgets the token, and the page says to open the link again", async () => {
  await page.goto(`${server.url}/reset-password#lk_reset_x`);
  await heading("Set a new password").waitFor();
  await page.reload();
  await heading("Open your link").waitFor();
});

test("on a server that sends no mail the page says what to ask for, and that link works", async () => {
  const silent = await stage.visit({ expected: /status of 401/ });
  await silent.page.route(/\/instance$/, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), sends_mail: false } });
  });
  await silent.page.goto(`${server.url}/forgot-password`);
  await silent.page.getByText("This server sends no mail.").waitFor();
  const command = (await silent.page.locator("code").textContent()) ?? "";
  assert.match(command, /^npm run setup -- --email \S+ --reset-link$/);
  await silent.page.goto(`${server.url}/reset-password#${await server.resetToken("ada@example.com")}`);
  await silent.page.getByLabel("New password", { exact: true }).fill("yet another password");
  await silent.page.getByRole("button", { name: "Set password" }).click();
  await silent.page.getByText("Your new password is set. Sign in with it.").waitFor();
  const body = { email: "ada@example.com", password: "yet another password" };
  assert.equal((await server.call("POST", "/sessions", { body })).status, 201);
});
