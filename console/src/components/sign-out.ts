import { explain } from "../api/errors.ts";
import { endSession } from "../api/session.ts";
import { announce } from "../ui/Toasts.tsx";

/** Ends the session from a menu, where nothing can stand that says why it did not end. */
export function signOutFromMenu(): void {
  void endSession().catch((error) => announce(`Not signed out. ${explain(error).detail}`));
}
