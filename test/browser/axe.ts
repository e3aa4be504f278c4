import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "playwright-core";

/** Rules of WCAG 2.2 that axe leaves out unless it is asked for them. */
const BESIDES = ["target-size", "label-content-name-mismatch", "p-as-heading", "table-fake-caption", "td-has-header"];
const POPUP = "[role=menu], [role=dialog], [role=alertdialog]";

/**
 * Violations of WCAG 2.2 at levels A and AA and of good practice in the theme that is on, one line each. Left out: the
 * guards with which Base UI keeps the focus inside of a popup, which take the focus only to pass it on.
 */
async function violations(page: Page, only?: string): Promise<string[]> {
  // A popup is no part of the page's landmarks, by its nature.
  const landmarks = (await page.locator(POPUP).count()) === 0;
  const rules = Object.fromEntries(BESIDES.map((rule) => [rule, { enabled: true }]));
  const { violations: found } = await new AxeBuilder({ page })
    .exclude("[data-base-ui-focus-guard]")
    // A page of ours has no frames; run in one go it needs no second page for each look.
    .setLegacyMode()
    .options({
      ...(only === undefined ? { rules: { ...rules, region: { enabled: landmarks } } } : { runOnly: [only] }),
      resultTypes: ["violations"],
    })
    .analyze();
  return found.flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${id}: ${help}: ${html.slice(0, 200)}`));
}

/** The same page in both themes, by switching: what it shows stays as it is, and so nothing but its colours is looked at anew. */
export async function violationsInBothThemes(page: Page): Promise<string[]> {
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await violations(page, "color-contrast");
  await page.emulateMedia({ colorScheme: "light" });
  return [...dark.map((line) => `dark: ${line}`), ...(await violations(page))];
}

/** How much wider the page is than its window. */
export async function overflow(page: Page): Promise<number> {
  return await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
}
