import type { Page } from "playwright-core";

/** The heading that tells which page is there. */
export const heading = (page: Page, name: string | RegExp) =>
  page.getByRole("heading", { level: 1, name, ...(typeof name === "string" ? { exact: true } : {}) });

/** Nothing on the page is still on its way, but for the one table of the design page that always is. */
export async function whole(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const loading = [...document.querySelectorAll(".skeleton, [aria-busy=true]")];
    return loading.every((one) => one.closest("[aria-label='Loading rows'], button"));
  });
}
