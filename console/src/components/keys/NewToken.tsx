import { ChevronRight } from "lucide-react";
import { Code } from "../../ui/Code.tsx";
import { CopyButton } from "../../ui/CopyButton.tsx";

/** A new key's token, with the two ways to take it away. */
export function NewToken({ token }: { readonly token: string }) {
  const host = `${window.location.origin}/api/v2`;
  const shell = `export NEON_API_KEY=${token}`;
  const shell_host = `export NEON_API_HOST=${host}`;
  return (
    <>
      <div className="flex flex-col gap-2 rounded-md border border-line-strong bg-sunken p-3" translate="no">
        <code className="font-mono text-14 break-all select-all">{token}</code>
        <div className="flex justify-end">
          <CopyButton text={token} what="token" with_word first />
        </div>
      </div>
      <Code text="export NEON_API_KEY=…" copy={shell} what="export line" />
      <details className="group text-muted">
        <summary className="flex cursor-default list-none items-center gap-1 rounded-md hover:text-text">
          <ChevronRight aria-hidden className="size-4 transition-transform group-open:rotate-90" />
          For the neon CLI, name this server too
        </summary>
        <div className="flex flex-col gap-2 pt-2">
          <p>Without this line the CLI sends the key to Neon, which does not know it.</p>
          <Code text={shell_host} what="host line" />
        </div>
      </details>
    </>
  );
}
