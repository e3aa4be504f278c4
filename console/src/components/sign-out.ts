import { explain } from "../api/errors.ts";
import { endSession } from "../api/session.ts";
import { announce } from "../ui/Toasts.tsx";

/** Ends the session from where nothing can stand that says why it did not end. `next`: where to go after signing in. */
export function signOutFromMenu(next?: string): void {
  void endSession(next).catch((error) => announce(`Not signed out. ${explain(error).detail}`));
}
