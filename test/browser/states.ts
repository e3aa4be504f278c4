import type { Locator } from "playwright-core";

/**
 * States that an element comes into a moment after it is drawn: each waits for its state, where reading the attribute
 * once would tell how busy the machine is.
 */
export const focused = (one: Locator) => one.and(one.page().locator(":focus")).waitFor();

/** Told as not available, for this reason if one is named, and still reached by the keyboard, so that the reason is. */
export async function unavailable(one: Locator, reason?: RegExp): Promise<void> {
  const disabled = one.and(one.page().locator('[aria-disabled="true"]'));
  await disabled.waitFor();
  if (reason === undefined) return;
  const id = await one.getAttribute("aria-describedby");
  await one.page().locator(`[id="${id}"]`).filter({ hasText: reason }).waitFor({ state: "attached" });
}
