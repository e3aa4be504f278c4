import { useEffect } from "react";
import { flushSync } from "react-dom";

/**
 * Browsers freeze a page that is left and may show it again from memory, as it was (the back-forward cache).
 * A secret has to be out of the page before that.
 */
export function useForgottenOnLeaving(forget: () => void): void {
  useEffect(() => {
    const onLeave = () => flushSync(forget);
    window.addEventListener("pagehide", onLeave);
    return () => window.removeEventListener("pagehide", onLeave);
  });
}
