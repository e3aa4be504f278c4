import type { RefObject } from "react";
import { NewKeyDialog } from "./NewKeyDialog.tsx";
import { PersonalKeyForm } from "./PersonalKeyForm.tsx";

interface NewPersonalKeyDialogProps {
  readonly onClose: () => void;
  readonly return_focus: RefObject<HTMLElement | null>;
}

export function NewPersonalKeyDialog({ onClose, return_focus }: NewPersonalKeyDialogProps) {
  return (
    <NewKeyDialog
      onClose={onClose}
      return_focus={return_focus}
      form={(onCreated) => <PersonalKeyForm onCreated={onCreated} onCancel={onClose} />}
    />
  );
}
