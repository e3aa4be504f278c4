/**
 * Lists. Neon has two cursor dialects, `pagination.cursor` (projects, operations) and `pagination.next`
 * (branches, members); the cursor goes back as `cursor` in both. A list ends with an answer that has no
 * cursor or no items: the last full page does carry a cursor.
 */

/** The type of a list's items: of the answer itself when it is an array, else of its one array. */
export type ItemOf<Answer> = Answer extends readonly (infer Item)[]
  ? Item
  : { [K in keyof Answer]-?: Answer[K] extends readonly (infer Item)[] ? Item : never }[keyof Answer];

type Query = Readonly<Record<string, unknown>>;
type FetchPage = (query: Query) => Promise<unknown>;

export async function* iteratePages(
  fetchPage: FetchPage,
  { query }: { query?: Query | undefined },
): AsyncGenerator<unknown, void> {
  const seen = new Set<string>();
  for (let cursor = query?.cursor; ; ) {
    const page = await fetchPage({ ...query, cursor });
    yield page;
    const next = cursorOf(page);
    if (next === undefined || itemsOf(page).length === 0) return;
    // A server that ignores the cursor would be asked for ever.
    if (seen.has(next)) throw new Error("the server gave the same cursor twice; the list cannot be read to its end");
    seen.add(next);
    cursor = next;
  }
}

export async function* iterateItems(
  fetchPage: FetchPage,
  input: { query?: Query | undefined },
): AsyncGenerator<unknown, void> {
  for await (const page of iteratePages(fetchPage, input)) yield* itemsOf(page);
}

function cursorOf(page: unknown): string | undefined {
  const { pagination } = (page ?? {}) as { pagination?: { cursor?: unknown; next?: unknown } };
  const cursor = pagination?.cursor ?? pagination?.next;
  return typeof cursor === "string" && cursor !== "" ? cursor : undefined;
}

function itemsOf(page: unknown): readonly unknown[] {
  if (Array.isArray(page)) return page;
  return Object.values((page ?? {}) as object).find(Array.isArray) ?? [];
}
