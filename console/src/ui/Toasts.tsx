import { X } from "lucide-react";
import { useEffect, useRef, useSyncExternalStore } from "react";
import { IconButton } from "./Button.tsx";

interface Message {
  readonly id: number;
  readonly text: string;
}

const SHOWN_FOR_MS = 6_000;
const AT_MOST = 3;

let messages: readonly Message[] = [];
let last_id = 0;
const listeners = new Set<() => void>();

/** Says what has happened, away from where the eye is. Never for what must be read: a secret, an error with a way on. */
export function announce(text: string): void {
  last_id += 1;
  put([...messages, { id: last_id, text }].slice(-AT_MOST));
}

function put(next: readonly Message[]): void {
  messages = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The corner of the page that says it, and the live region that reads it out. Always in the page: a live region that appears with its text is not read. */
export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => messages);
  return (
    <div
      role="status"
      className="pointer-events-none fixed right-4 bottom-4 z-50 flex w-[calc(100vw-2rem)] max-w-96 flex-col gap-2"
    >
      {shown.map((message) => (
        <Toast key={message.id} {...message} />
      ))}
    </div>
  );
}

function Toast({ id, text }: Message) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let timer: number;
    const dismissLater = () => {
      timer = window.setTimeout(() => {
        // Whoever is on it is reading it, or about to press its button.
        if (box.current?.matches(":hover, :focus-within")) dismissLater();
        else dismiss(id);
      }, SHOWN_FOR_MS);
    };
    dismissLater();
    return () => window.clearTimeout(timer);
  }, [id]);
  return (
    <div
      ref={box}
      className="pointer-events-auto flex items-center gap-3 rounded-lg border border-line bg-raised py-2 pr-2 pl-4 shadow-popup"
    >
      <p className="min-w-0 flex-1 break-words">{text}</p>
      <IconButton label="Dismiss" onClick={() => dismiss(id)}>
        <X aria-hidden />
      </IconButton>
    </div>
  );
}

function dismiss(id: number): void {
  put(messages.filter((message) => message.id !== id));
}
