import type { ListedKey } from "@latchkey/contract/api-keys.ts";
import { isGone } from "../../api/errors.ts";
import { relativeTime } from "../../ui/relative-time.ts";
import { announce } from "../../ui/Toasts.tsx";
import { Confirm } from "../Confirm.tsx";

interface RevokeKeyDialogProps {
  /** The key in question; undefined while nobody asks. */
  readonly revoking: ListedKey | undefined;
  readonly revoke: (key: ListedKey) => Promise<void>;
  readonly onClose: () => void;
}

export function RevokeKeyDialog({ revoking, revoke, onClose }: RevokeKeyDialogProps) {
  return (
    <Confirm
      about={revoking}
      title={(key) => `Revoke ${key.name}?`}
      verb="Revoke key"
      onClose={onClose}
      onConfirm={async (key) => {
        try {
          await revoke(key);
        } catch (error) {
          if (!isGone(error)) throw error;
        }
        announce(`${key.name} is revoked.`);
      }}
    >
      {(key) => (
        <>
          <p>Requests that use it fail with 401 from this moment.</p>
          <p>{lastUse(key)} This cannot be undone.</p>
        </>
      )}
    </Confirm>
  );
}

function lastUse(key: ListedKey): string {
  if (key.last_used_at === null) return "It was never used.";
  const when = relativeTime(Date.parse(key.last_used_at), Date.now());
  return `It was last used ${when}${key.last_used_from_addr === "" ? "" : ` from ${key.last_used_from_addr}`}.`;
}
