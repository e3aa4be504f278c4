import type { RefObject } from "react";
import { NewKeyDialog } from "./NewKeyDialog.tsx";
import { OrganizationKeyForm } from "./OrganizationKeyForm.tsx";

interface NewOrganizationKeyDialogProps {
  readonly org_id: string;
  readonly onClose: () => void;
  readonly return_focus: RefObject<HTMLElement | null>;
}

export function NewOrganizationKeyDialog({ org_id, onClose, return_focus }: NewOrganizationKeyDialogProps) {
  return (
    <NewKeyDialog
      onClose={onClose}
      return_focus={return_focus}
      form={(onCreated) => <OrganizationKeyForm org_id={org_id} onCreated={onCreated} onCancel={onClose} />}
    />
  );
}
