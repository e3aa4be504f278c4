import type { CreatedKey } from "@latchkey/contract/api-keys.ts";
import { type ReactNode, type RefObject, useState } from "react";
import { ShownOnceDialog } from "../ShownOnceDialog.tsx";
import { NewToken } from "./NewToken.tsx";

interface NewKeyDialogProps {
  readonly onClose: () => void;
  /** The form; it hands over the key that it got. */
  readonly form: (onCreated: (key: CreatedKey) => void) => ReactNode;
  readonly return_focus: RefObject<HTMLElement | null>;
}

interface NewKey {
  readonly name: string;
  /** Undefined once it is forgotten. */
  readonly token: string | undefined;
}

/**
 * Creates a key and shows its token, once. The token is in the state of this component and nowhere else: the
 * call's answer goes through no cache, and the state goes with the component. It is open as long as it is
 * mounted, so that each key has a component of its own, and nothing of one is found in the next.
 */
export function NewKeyDialog({ onClose, form, return_focus }: NewKeyDialogProps) {
  const [made, setMade] = useState<NewKey>();
  const name = <strong className="font-medium text-text">{made?.name}</strong>;
  return (
    <ShownOnceDialog
      form={{ title: "Create API key", content: form(({ name, key }) => setMade({ name, token: key })) }}
      made={made !== undefined}
      secret={made?.token}
      onForget={() => setMade((last) => last && { name: last.name, token: undefined })}
      shown={{
        title: "Copy your key now",
        description: "This is the only time it is shown. Latchkey keeps a fingerprint, not the key.",
      }}
      stored={{
        label: "I have stored it in a safe place",
        missing: "Tick that you have stored the key first. It cannot be shown again.",
      }}
      leaving={{
        title: "Leave without storing the key?",
        description: (
          <>
            You have not said that you stored {name}. Its token cannot be shown again; you would have to revoke the key
            and create another.
          </>
        ),
        stay: "Back to the key",
        leave: "Leave without it",
      }}
      forgotten={{
        title: "The key exists, and its token is gone",
        description: (
          <>
            {name} was created, and its token left this page when you did. If you have not stored it, revoke the key and
            create another.
          </>
        ),
      }}
      onClose={onClose}
      return_focus={return_focus}
    >
      {(token) => <NewToken token={token} />}
    </ShownOnceDialog>
  );
}
