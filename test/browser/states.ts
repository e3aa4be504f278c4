import type { Locator } from "playwright-core";

/**
 * States that an element comes into a moment after it is drawn: each waits for its state, where reading the attribute
 * once would tell how busy the machine is.
 */
export const focused = (one: Locator) => one.and(one.page().locator(":focus")).waitFor();

/** Told as not available, and still reached by the keyboard, so that its reason is. */
export const unavailable = (one: Locator) => one.and(one.page().locator('[aria-disabled="true"]')).waitFor();
