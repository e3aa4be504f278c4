import assert from "node:assert/strict";
import test, { after } from "node:test";
import { createOrganization, createProject, setupTokenOf, signUp } from "../harness/world.ts";
import { startStage } from "./visit.ts";

/** Times are those of the person's zone; this one is neither the server's nor a whole number of hours away from it. */
const ZONE = "Asia/Kathmandu";
const OFFSET_MS = (5 * 60 + 45) * 60_000;
const stage = await startStage({ after });
const { server } = stage;
const ada = await signUp(server, "Ada", { setup_token: setupTokenOf(server) });
const org_id = await createOrganization(server, ada.key, "Acme");
const { project } = await createProject(server, ada.key, org_id, "storefront");
await server.settle(project.id, ada.key);
await server.expect(201, "POST", `/projects/${project.id}/branches`, {
  key: ada.key,
  body: { branch: { name: "dev" } },
});
await server.settle(project.id, ada.key);
const { page } = await stage.visit({ cookie: ada.cookie, timezoneId: ZONE });

test("the exact time shows on hover and on focus, in the person's zone, stays under the pointer, and Escape hides it", async () => {
  const [key] = await server.expect<{ created_at: string }[]>(200, "GET", "/api_keys", { key: ada.key });
  const local = new Date(Date.parse(key?.created_at ?? "") + OFFSET_MS).toISOString();
  await page.goto(`${server.url}/account/api-keys`);
  const time = page.getByRole("table", { name: "API keys" }).locator("time:visible").first();
  const tip = page.getByRole("tooltip");
  await time.hover();
  await tip.waitFor();
  const text = (await tip.textContent()) ?? "";
  assert.ok(text.includes(local.slice(11, 19)) && text.includes("GMT+5:45"), `${text} is not ${local}`);
  assert.ok(text.startsWith(`${Number(local.slice(8, 10))} `), `${text} is not the day of ${local}`);
  // Slowly, over what lies between the two.
  const box = await tip.boundingBox();
  assert.ok(box);
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2, { steps: 20 });
  const stays = (element: Element) => new Promise((resolve) => setTimeout(() => resolve(element.isConnected), 500));
  assert.equal(await tip.evaluate(stays), true);
  await page.keyboard.press("Escape");
  await tip.waitFor({ state: "detached" });

  await page.mouse.move(0, 0);
  await page.getByRole("button", { name: "Create new API key" }).focus();
  for (let presses = 0; presses < 20; presses += 1) {
    await page.keyboard.press("Tab");
    if (await time.evaluate((element) => element === document.activeElement)) break;
  }
  await tip.waitFor();
  assert.equal(await tip.textContent(), text);
  const described = await time.getAttribute("aria-describedby");
  assert.equal(described, await tip.getAttribute("id"), "a screen reader is told it too");
  await page.keyboard.press("Escape");
  await tip.waitFor({ state: "detached" });
});

test("the time of an expiry is read and written in the person's zone", async () => {
  const LOCAL = "2031-01-05T18:30";
  const UTC = "2031-01-05T12:45:00.000Z";
  const ask = async () => {
    await page.getByRole("button", { name: "Actions for dev" }).click();
    await page.getByRole("menuitem", { name: "Set expiry…" }).click();
  };
  await page.goto(`${server.url}/projects/${project.id}/branches`);
  await ask();
  const form = page.getByRole("dialog", { name: "Expiry of dev" });
  await form.getByLabel("Delete it").selectOption({ label: "At a time of your choice" });
  await form.getByText(`In your time zone, ${ZONE}.`).or(form.getByText("In your time zone, Asia/Katmandu.")).waitFor();
  await form.getByLabel("Time", { exact: true }).fill(LOCAL);
  await form.getByRole("button", { name: "Set expiry" }).click();
  await form.waitFor({ state: "detached" });
  const { branches } = await server.expect<{ branches: { name: string; expires_at?: string }[] }>(
    200,
    "GET",
    `/projects/${project.id}/branches`,
    { key: ada.key },
  );
  const stored = branches.find(({ name }) => name === "dev")?.expires_at ?? "";
  assert.equal(new Date(stored).toISOString(), UTC);
  await page.reload();
  await ask();
  assert.equal(await form.getByLabel("Time", { exact: true }).inputValue(), LOCAL);
});
