import { Search } from "lucide-react";
import { useEffect, useState } from "react";
import { lateDialog } from "../ui/late.tsx";

const CommandPalette = lateDialog(
  async () => (await import("./CommandPalette.tsx")).CommandPalette,
  ({ open }) => open,
);

const APPLE = /Mac|iPhone|iPad/.test(navigator.platform);

/** Opens the command palette, as Ctrl+K or ⌘K does anywhere. The palette is loaded when it is first wanted. */
export function PaletteButton() {
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.metaKey || event.ctrlKey) || event.altKey || event.shiftKey)
        return;
      // An open dialog has asked something; it is answered first.
      if (document.querySelector("[data-asks]")) return;
      event.preventDefault();
      setOpen((now) => !now);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  return (
    <>
      <button
        type="button"
        aria-keyshortcuts={APPLE ? "Meta+K" : "Control+K"}
        onClick={() => setOpen(true)}
        className="flex h-8 items-center gap-2 rounded-md px-2 text-muted hover:bg-hover hover:text-text md:border md:border-line md:bg-surface"
      >
        <Search aria-hidden className="size-4" />
        <span className="max-md:sr-only">Search…</span>
        <kbd aria-hidden className="hidden pl-4 font-sans text-13 md:inline">
          {APPLE ? "⌘K" : "Ctrl K"}
        </kbd>
      </button>
      <CommandPalette open={open} onClose={() => setOpen(false)} />
    </>
  );
}
