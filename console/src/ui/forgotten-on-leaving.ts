import { useEffect, useReducer } from "react";
import { flushSync } from "react-dom";

/**
 * Browsers freeze a page that is left and may show it again from memory, as it was (the back-forward cache).
 * A secret has to be out of the page before that.
 */
export function useForgottenOnLeaving(forget: () => void): void {
  const [, renderAgain] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const onLeave = () => {
      flushSync(forget);
      // React keeps what it rendered before beside what it shows: only the rendering after takes that out as well.
      flushSync(renderAgain);
    };
    window.addEventListener("pagehide", onLeave);
    return () => window.removeEventListener("pagehide", onLeave);
  });
}
