import { Check, Copy } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { Button, IconButton } from "./Button.tsx";

interface CopyButtonProps {
  /** What goes to the clipboard; a function when it has to be fetched first, which shows itself why that failed. */
  readonly text: string | (() => Promise<string>);
  /** What is copied, for the button's name: "Copy token". */
  readonly what: string;
  readonly with_word?: boolean;
  /** Takes the focus when it appears: copying is what the person has come for. */
  readonly first?: boolean;
}

const SAID_FOR_MS = 2_000;
/** What went wrong is read, and not only seen. */
const FAILURE_SAID_FOR_MS = 8_000;

/** Copies, and says so where the hand is and to screen readers. */
export function CopyButton({ text, what, with_word = false, first = false }: CopyButtonProps) {
  const [state, setState] = useState<"idle" | "copied" | "failed">("idle");
  const timer = useRef<number>(undefined);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  useEffect(() => {
    if (first) button.current?.focus();
  }, [first]);

  const copy = async () => {
    const copied = await writeClipboard(text).catch(() => false);
    setState(copied ? "copied" : "failed");
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(() => setState("idle"), copied ? SAID_FOR_MS : FAILURE_SAID_FOR_MS);
  };
  const icon = state === "copied" ? <Check aria-hidden /> : <Copy aria-hidden />;
  const failed = typeof text === "string" ? "Select and copy by hand" : "Not copied";
  return (
    <span className="inline-flex shrink-0 items-center gap-1">
      {with_word ? (
        <Button
          ref={button}
          data-first={first || undefined}
          onClick={copy}
          aria-label={`Copy ${what}`}
          className="min-w-24"
        >
          {icon}
          {state === "copied" ? "Copied" : "Copy"}
        </Button>
      ) : (
        <IconButton onClick={copy} label={state === "copied" ? "Copied" : `Copy ${what}`}>
          {icon}
        </IconButton>
      )}
      {/* Before the button, which stays where the hand is. */}
      <span role="status" className={state === "failed" ? "order-first px-1 text-13 text-danger" : "sr-only"}>
        {state === "copied" ? "Copied" : state === "failed" ? failed : ""}
      </span>
    </span>
  );
}

async function writeClipboard(text: CopyButtonProps["text"]): Promise<boolean> {
  // Safari opens the clipboard in the press alone: what has to be fetched is promised there, and comes later.
  if (typeof text !== "string" && navigator.clipboard && "ClipboardItem" in window) {
    const promised = text().then((fetched) => new Blob([fetched], { type: "text/plain" }));
    await navigator.clipboard.write([new ClipboardItem({ "text/plain": promised })]);
    return true;
  }
  return await writeText(typeof text === "string" ? text : await text());
}

/** The clipboard API exists only on HTTPS and localhost; a server on a plain address gets the older way. */
async function writeText(text: string): Promise<boolean> {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return true;
  }
  const holder = document.createElement("textarea");
  holder.value = text;
  holder.className = "sr-only";
  // Inside the open dialog, if there is one: its focus trap would take the selection away.
  const home = document.activeElement?.closest("[role=dialog], [role=alertdialog]") ?? document.body;
  const focused = document.activeElement;
  home.append(holder);
  holder.select();
  const copied = document.execCommand("copy");
  holder.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return copied;
}
