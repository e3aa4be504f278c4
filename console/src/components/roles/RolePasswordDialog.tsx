import { Eye, EyeOff } from "lucide-react";
import type { ReactNode } from "react";
import { explain } from "../../api/errors.ts";
import { Button } from "../../ui/Button.tsx";
import { CopyButton } from "../../ui/CopyButton.tsx";
import { Actions, Dialog } from "../../ui/Dialog.tsx";
import { Notice } from "../../ui/Notice.tsx";
import { HIDDEN_PASSWORD } from "../projects/connection-strings.ts";
import { type RolePath, useRolePassword } from "../projects/role-password.ts";

interface RolePasswordDialogProps {
  readonly params: RolePath;
  readonly title: string;
  readonly description: ReactNode;
  readonly onClose: () => void;
}

/**
 * A role's password, hidden until it is asked for. It is kept sealed and can be shown again, so nothing has to
 * be stored before the dialog is left.
 */
export function RolePasswordDialog({ params, title, description, onClose }: RolePasswordDialogProps) {
  const { password, error, reveal, toggle } = useRolePassword(params);
  const failure = error === undefined ? undefined : explain(error);
  return (
    <Dialog open title={title} description={description} onClose={onClose}>
      <div className="flex flex-col gap-2 rounded-md border border-line-strong bg-sunken p-3" translate="no">
        <code className="font-mono text-14 break-all select-all">{password ?? HIDDEN_PASSWORD}</code>
        <div className="flex flex-wrap justify-end gap-2">
          <Button onClick={() => void toggle()}>
            {password === undefined ? <Eye aria-hidden /> : <EyeOff aria-hidden />}
            {password === undefined ? "Show" : "Hide"}
          </Button>
          <CopyButton text={password ?? reveal} what="password" with_word first />
        </div>
      </div>
      {failure && (
        <Notice kind="danger" title={failure.title} request_id={failure.request_id}>
          {failure.detail}
        </Notice>
      )}
      <Actions>
        <Button kind="primary" onClick={onClose}>
          Done
        </Button>
      </Actions>
    </Dialog>
  );
}
