import type { Page, Request } from "playwright-core";

/** Where a page could keep a secret that it should have forgotten. */

/** The places, by name, that hold the text now; looked at from inside of the page and from outside. */
export async function placesThatHold(page: Page, secret: string): Promise<string[]> {
  const inside = await page.evaluate(async (text) => {
    const found: string[] = [];
    const look = (place: string, content: unknown) => {
      if (String(content ?? "").includes(text)) found.push(place);
    };
    look("address", window.location.href);
    look("document", document.documentElement.outerHTML);
    look("title", document.title);
    for (const field of document.querySelectorAll("input, textarea")) look("field", (field as HTMLInputElement).value);
    look("history state", JSON.stringify(window.history.state));
    const navigation = (window as unknown as { navigation?: { entries(): { url: string; getState(): unknown }[] } })
      .navigation;
    for (const entry of navigation?.entries() ?? []) look("history", entry.url + JSON.stringify(entry.getState()));
    look("local storage", JSON.stringify({ ...localStorage }));
    look("session storage", JSON.stringify({ ...sessionStorage }));
    look("cookies", document.cookie);
    look("resource timing", JSON.stringify(performance.getEntries()));
    look("window name", window.name);
    for (const key of Object.keys(window)) {
      const value = (window as unknown as Record<string, unknown>)[key];
      if (typeof value === "string") look(`window.${key}`, value);
    }
    for (const database of await indexedDB.databases()) found.push(`an IndexedDB database: ${database.name}`);
    for (const name of await caches.keys()) found.push(`a cache: ${name}`);
    for (const worker of await navigator.serviceWorker.getRegistrations()) found.push(`a worker: ${worker.scope}`);
    return found;
  }, secret);
  const cookies = JSON.stringify(await page.context().cookies());
  return cookies.includes(secret) ? [...inside, "cookie jar"] : inside;
}

/** Whether any string in the page's JavaScript memory holds the text, after the garbage has been collected. */
export async function heapHolds(page: Page, secret: string): Promise<boolean> {
  const session = await page.context().newCDPSession(page);
  const chunks: string[] = [];
  session.on("HeapProfiler.addHeapSnapshotChunk", ({ chunk }) => chunks.push(chunk));
  await session.send("HeapProfiler.enable");
  await session.send("HeapProfiler.collectGarbage");
  await session.send("HeapProfiler.takeHeapSnapshot", { reportProgress: false });
  await session.detach();
  return chunks.join("").includes(secret);
}

/** What carries the text over the wire, in either direction. */
export async function trafficThatHolds(requests: readonly Request[], secret: string): Promise<string[]> {
  const found: string[] = [];
  for (const request of requests) {
    const sent = `${request.url()}\n${JSON.stringify(await request.allHeaders())}\n${request.postData() ?? ""}`;
    if (sent.includes(secret)) found.push(`${request.method()} ${request.url()}`);
    const received = await (await request.response())?.text().catch(() => "");
    if (received?.includes(secret)) found.push(`the answer of ${request.url()}`);
  }
  return found;
}
