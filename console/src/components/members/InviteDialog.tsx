import {
  createOrganizationInvitations,
  getOrganizationInvitations,
  type MemberRole,
} from "@latchkey/contract/organizations.ts";
import { type RefObject, useState } from "react";
import { api } from "../../api/client.ts";
import { hasStatus, sentence } from "../../api/errors.ts";
import { refresh } from "../../api/queries.ts";
import { Code } from "../../ui/Code.tsx";
import { Actions } from "../../ui/Dialog.tsx";
import { FormRefusal } from "../../ui/Form.tsx";
import { RadioField, TextField } from "../../ui/fields.tsx";
import { announce } from "../../ui/Toasts.tsx";
import { ApiForm, Cancel, Submit } from "../ApiForm.tsx";
import { EMAIL_RULES } from "../new-person.ts";
import { ShownOnceDialog } from "../ShownOnceDialog.tsx";
import { MEMBER_ROLES } from "./member-roles.ts";

interface InviteDialogProps {
  readonly org_id: string;
  readonly onClose: () => void;
  readonly return_focus: RefObject<HTMLElement | null>;
}

interface NewLink {
  readonly email: string;
  /** Undefined once it is forgotten. */
  readonly url: string | undefined;
}

/**
 * Invites one person. Where the server sends no mail, the link is shown once, for the inviter to pass on. It
 * is open as long as it is mounted: a link is not found in the next dialog.
 */
export function InviteDialog({ org_id, onClose, return_focus }: InviteDialogProps) {
  const [link, setLink] = useState<NewLink>();
  const another = `Invite ${link?.email} again: a new link takes the place of this one.`;
  return (
    <ShownOnceDialog
      form={{
        title: "Invite a person",
        content: <InviteForm org_id={org_id} onLink={setLink} onClose={onClose} />,
      }}
      made={link !== undefined}
      secret={link?.url}
      onForget={() => setLink((last) => last && { email: last.email, url: undefined })}
      shown={{
        title: "Pass this link on",
        description: `This server sends no mail. Give the link to ${link?.email} yourself; it is shown only now, and works once.`,
      }}
      leaving={{
        title: "Leave without the link?",
        description: `It cannot be shown again. ${another}`,
        stay: "Back to the link",
        leave: "Leave without it",
      }}
      forgotten={{
        title: "The invitation exists, and its link is gone",
        description: `The link left this page when you did. Not passed on yet? ${another}`,
      }}
      onClose={onClose}
      return_focus={return_focus}
    >
      {(url) => (
        <>
          <Code text={url} what="invitation link" />
          <p className="text-muted">Lost it? {another}</p>
        </>
      )}
    </ShownOnceDialog>
  );
}

interface InviteFormProps {
  readonly org_id: string;
  readonly onLink: (link: NewLink) => void;
  readonly onClose: () => void;
}

function InviteForm({ org_id, onLink, onClose }: InviteFormProps) {
  return (
    <ApiForm<{ email: string; role: MemberRole }>
      defaults={{ email: "", role: "member" }}
      onSubmit={async ({ email, role }) => {
        const body = { invitations: [{ email: email.trim(), role }] };
        const { invitations } = await api.call(createOrganizationInvitations, { params: { org_id }, body });
        await refresh(getOrganizationInvitations);
        const [made] = invitations;
        if (made?.accept_url !== undefined) return onLink({ email: made.email, url: made.accept_url });
        announce(`The invitation went to ${email.trim()} by mail.`);
        onClose();
      }}
      refusal={(error) =>
        hasStatus(error, 409) || hasStatus(error, 400)
          ? { field: "email", message: sentence(error.message) }
          : undefined
      }
      makes={{
        listed_by: [getOrganizationInvitations],
        lost: "The invitation may have been made all the same. Invite the same e-mail again: the new invitation takes its place.",
      }}
    >
      <TextField name="email" label="E-mail" type="email" rules={EMAIL_RULES} />
      <RadioField name="role" legend="Member role" options={MEMBER_ROLES} />
      <FormRefusal />
      <Actions>
        <Cancel onClick={onClose} />
        <Submit>Invite</Submit>
      </Actions>
    </ApiForm>
  );
}
