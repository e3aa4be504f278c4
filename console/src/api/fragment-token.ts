import { paths } from "../paths.ts";

/**
 * The one-time token of a link for setting up, for an invitation or for a new password. It comes in the fragment, which browsers send to no
 * server, and is taken out of the address bar and the history before anything else runs. It lives in this
 * module alone: not in storage, not in the router's state; a reload forgets it, and the link has to be
 * opened again.
 */
const CARRIERS = new Set([paths.setup(), paths.acceptInvitation(), paths.resetPassword()]);

let token: { readonly path: string; readonly value: string } | undefined;
const listeners = new Set<() => void>();

/** The token that came with the link to this path; undefined when none did. */
export function fragmentToken(path: string): string | undefined {
  return token?.path === path ? token.value : undefined;
}

/** Forgets the token once it has been used. */
export function dropFragmentToken(): void {
  token = undefined;
  for (const listener of listeners) listener();
}

export function onFragmentToken(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function take(): void {
  const { pathname, search, hash } = window.location;
  if (!CARRIERS.has(pathname) || hash.length < 2) return;
  token = { path: pathname, value: hash.slice(1) };
  window.history.replaceState(window.history.state, "", pathname + search);
  for (const listener of listeners) listener();
}

take();
// A second link pasted into the same tab changes the fragment only. Heard before the router hears it.
window.addEventListener("popstate", take, { capture: true });
window.addEventListener("hashchange", take, { capture: true });
