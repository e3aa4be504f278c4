import type { ResponseOf, RouteContract } from "@latchkey/contract/route.ts";
import { getCurrentUserInfo } from "@latchkey/contract/users.ts";
import type { ArgumentsOf, InputOf } from "@latchkey/sdk";
import { type FetchQueryOptions, QueryCache, QueryClient, queryOptions } from "@tanstack/react-query";
import { api, whenCallFails } from "./client.ts";
import { isSignedOut } from "./errors.ts";

/**
 * What the Console knows of the server. Every key is made here, from the contract: the route's id, then
 * what went into the call. So whoever changes something names routes, and never spells a key.
 *
 * There is no mutation cache, on purpose: an answer that carries a secret is held by the component that
 * asked for it and by nothing else.
 */
export function query<R extends RouteContract>(route: R, ...input: ArgumentsOf<R>) {
  return queryOptions({
    queryKey: keyOf(route, input[0]),
    queryFn: async ({ signal }): Promise<ResponseOf<R>> => await callWith(route, input[0], signal),
  });
}

/** All pages of a list under one key, for lists that are searched and sorted in the browser. */
export function listQuery<R extends RouteContract>(route: R, ...input: ArgumentsOf<R>) {
  return queryOptions({
    queryKey: [...keyOf(route, input[0]), "all"],
    queryFn: async ({ signal }) => {
      const items = [];
      for await (const item of api.items(route, ...([{ ...input[0], signal }] as unknown as ArgumentsOf<R>))) {
        items.push(item);
      }
      return items;
    },
  });
}

function keyOf(route: RouteContract, input: object | undefined): readonly unknown[] {
  const { params, query } = (input ?? {}) as { params?: object; query?: object };
  return [route.id, params ?? {}, query ?? {}];
}

async function callWith<R extends RouteContract>(route: R, input: InputOf<R> | undefined, signal: AbortSignal) {
  return await api.call(route, ...([{ ...input, signal }] as unknown as ArgumentsOf<R>));
}

/** Of whatever is asked, a list or a change. While nobody is known yet, the guard is asking too, and leads to the sign-in page. */
function leaveWhenSignedOut(error: unknown): void {
  if (isSignedOut(error) && queries.getQueryData(query(getCurrentUserInfo).queryKey)) forgetSession();
}

whenCallFails(leaveWhenSignedOut);
export const queries = new QueryClient({
  queryCache: new QueryCache({ onError: leaveWhenSignedOut }),
  defaultOptions: {
    // The SDK has already tried again where that is right.
    queries: { retry: false, staleTime: 2_000, throwOnError: false },
  },
});

/** Asks for what a page will show, ahead of the page. Whether it failed is for the page to tell. */
export function ask(...wanted: readonly { readonly queryKey: readonly unknown[] }[]): void {
  for (const options of wanted) void queries.prefetchQuery(options as FetchQueryOptions);
}

/** Marks all answers of these routes as out of date; those on the page are asked for again. */
export async function refresh(...routes: RouteContract[]): Promise<void> {
  await Promise.all(routes.map((route) => queries.invalidateQueries({ queryKey: [route.id] })));
}

let onSignedOut = () => {};

/** The router tells here where a person goes whose session has ended. */
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

/** Drops everything that was read for the person who was signed in. */
export function forgetSession(): void {
  queries.clear();
  onSignedOut();
}
