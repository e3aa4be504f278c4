import type { Locator } from "playwright-core";
import { waitFor } from "../harness/server.ts";

/**
 * What a press on a button copies. The clipboard is emptied before: what was copied earlier must not be taken for it, for
 * the text may have to be fetched first. The visit needs the permissions `clipboard-read` and `clipboard-write`.
 */
export async function copiedBy(button: Locator): Promise<string> {
  const page = button.page();
  let text = "";
  await page.evaluate(() => navigator.clipboard.writeText(""));
  await button.click();
  await waitFor("the copy", async () => {
    text = await page.evaluate(() => navigator.clipboard.readText());
    return text !== "";
  });
  return text;
}
