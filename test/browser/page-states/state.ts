import type { Page, Request } from "playwright-core";
import { waitFor } from "../../harness/server.ts";
import type { Demo } from "../demo.ts";
import { whole } from "../whole-page.ts";

/** One state of one page: where it is, whose it is, and what brings it about. */
export interface PageState {
  /** Names its screenshots. */
  readonly name: string;
  /** A function where each visit needs an address of its own, such as a code that is used once. */
  readonly path: string | (() => Promise<string>);
  /** Who is signed in; absent: nobody. */
  readonly as?: "admin" | "member" | "stranger";
  /** Before the page is opened. */
  readonly prepare?: (page: Page) => Promise<unknown>;
  /** Requests that never get an answer: the page goes on loading. */
  readonly held?: RegExp;
  /** Brings the page into its state. */
  readonly act?: (page: Page) => Promise<unknown>;
  /** The state shows within the window: the rest of the page is of no interest. */
  readonly window_only?: boolean;
}

/**
 * Opens the page and brings it into the state; returns when nothing is on its way any more. The tab may be one in which
 * another state was shown before: nothing is left of that.
 */
export async function show(page: Page, base: string, state: PageState): Promise<void> {
  await page.unrouteAll({ behavior: "ignoreErrors" });
  // An address that differs in its fragment alone would not be loaded anew.
  await page.goto("about:blank");
  using requests = watchRequests(page, state.held);
  const { pending } = requests;
  if (state.held) await page.route(state.held, () => {});
  await state.prepare?.(page);
  await page.goto(base + (typeof state.path === "string" ? state.path : await state.path()));
  await page.getByRole("heading", { level: 1 }).waitFor();
  await rest(page, pending);
  if (!state.held) await whole(page);
  if (!state.act) return;
  await state.act(page);
  await rest(page, pending);
}

function watchRequests(page: Page, held: RegExp | undefined): Disposable & { readonly pending: ReadonlySet<Request> } {
  const pending = new Set<Request>();
  const onBegin = (request: Request) => {
    if (!held?.test(request.url())) pending.add(request);
  };
  const onEnd = (request: Request) => pending.delete(request);
  page.on("request", onBegin).on("requestfinished", onEnd).on("requestfailed", onEnd);
  return {
    pending,
    [Symbol.dispose]: () => {
      page.off("request", onBegin).off("requestfinished", onEnd).off("requestfailed", onEnd);
    },
  };
}

/** Nothing is asked, everything that was answered is drawn, and the fonts are there. */
async function rest(page: Page, pending: ReadonlySet<Request>): Promise<void> {
  await waitFor("the page to come to rest", async () => {
    if (pending.size > 0) return false;
    await page.evaluate(async () => {
      await document.fonts.ready;
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    });
    return pending.size === 0;
  });
}

export const press = (name: string | RegExp) => (page: Page) => page.getByRole("button", { name }).first().click();

const popup = (page: Page) => page.locator("[role=dialog], [role=alertdialog]").first().waitFor();

/** Presses what opens a dialog, and waits for that: its code may still be on the way. */
export const open = (name: string | RegExp) => async (page: Page) => {
  await press(name)(page);
  await popup(page);
};

export const openMenu = (name: string | RegExp) => async (page: Page) => {
  await press(name)(page);
  await page.getByRole("menu").waitFor();
};

/** The item of a menu that opens a dialog. */
export const choose = (menu: string | RegExp, item: string) => async (page: Page) => {
  await press(menu)(page);
  await page.getByRole("menuitem", { name: item }).click();
  await popup(page);
};

/** One after the other. */
export const steps =
  (...acts: readonly ((page: Page) => Promise<unknown>)[]) =>
  async (page: Page) => {
    for (const act of acts) await act(page);
  };

export const fill = (label: string, text: string) => (page: Page) => page.getByLabel(label, { exact: true }).fill(text);

export const submit = (name: string) => (page: Page) => page.getByRole("button", { name, exact: true }).click();

/** What the page says once it is in its state. */
export const says = (text: string | RegExp) => (page: Page) => page.getByText(text).first().waitFor();

export const titled = (name: string | RegExp) => (page: Page) => page.getByRole("heading", { name }).first().waitFor();

/** Answers in the server's place, for what a test's server is never asked or never does. */
export const answer =
  (url: RegExp, status: number, body: unknown, method?: string) =>
  async (page: Page): Promise<void> => {
    await page.route(url, async (route) => {
      if (method !== undefined && route.request().method() !== method) return await route.fallback();
      await route.fulfill({ status, json: body });
    });
  };

export const cut = (url: RegExp) => (page: Page) => page.route(url, (route) => route.abort());

export type States = (demo: Demo) => readonly PageState[];

/** The three states that every list has besides its rows. */
export function listStates(
  name: string,
  path: string,
  url: RegExp,
  answers: { readonly empty?: unknown; readonly many?: unknown },
  as: PageState["as"] = "admin",
): readonly PageState[] {
  const shared = { path, ...(as ? { as } : {}) };
  return [
    { ...shared, name: `${name}-loading`, held: url },
    { ...shared, name: `${name}-failed`, prepare: answer(url, 500, FAILURE) },
    ...(answers.empty === undefined
      ? []
      : [{ ...shared, name: `${name}-empty`, prepare: answer(url, 200, answers.empty) }]),
    ...(answers.many === undefined
      ? []
      : [{ ...shared, name: `${name}-many`, window_only: true, prepare: answer(url, 200, answers.many) }]),
  ];
}

export const FAILURE = {
  request_id: "5c1f9f0e-7e0f-4a51-9f7c-0d7c0b7f2f4e",
  code: "INTERNAL",
  message: "internal error; quote the request_id when you report it",
};
