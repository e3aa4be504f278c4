import {
  getOrganization,
  getOrganizationInvitations,
  getOrganizationMembers,
  type MemberRole,
  updateOrganizationMember,
} from "@latchkey/contract/organizations.ts";
import { api } from "../../api/client.ts";
import { refresh } from "../../api/queries.ts";
import { Button } from "../../ui/Button.tsx";
import { Actions, Dialog } from "../../ui/Dialog.tsx";
import { FormRefusal } from "../../ui/Form.tsx";
import { RadioField } from "../../ui/fields.tsx";
import { announce } from "../../ui/Toasts.tsx";
import { ApiForm, Submit } from "../ApiForm.tsx";
import { MEMBER_ROLES } from "./member-roles.ts";
import type { MemberWithUser } from "./member-with-user.ts";

interface ChangeRoleDialogProps {
  readonly org_id: string;
  /** Whose role. */
  readonly changing: MemberWithUser;
  readonly onClose: () => void;
}

export function ChangeRoleDialog({ org_id, changing, onClose }: ChangeRoleDialogProps) {
  const { member, user } = changing;
  return (
    <Dialog open title={`Member role of ${user.name}`} onClose={onClose}>
      <ApiForm<{ role: MemberRole }>
        defaults={{ role: member.role }}
        onSubmit={async (body) => {
          await api.call(updateOrganizationMember, { params: { org_id, member_id: member.id }, body });
          // Of one's own role: what one may read and change is another then.
          await refresh(getOrganizationMembers, getOrganizationInvitations, getOrganization);
          announce(`${user.name} is ${body.role === "admin" ? "an admin" : "a member"} now.`);
          onClose();
        }}
      >
        <RadioField name="role" legend="Member role" options={MEMBER_ROLES} />
        <FormRefusal />
        <Actions>
          <Button onClick={onClose}>Cancel</Button>
          <Submit>Change member role</Submit>
        </Actions>
      </ApiForm>
    </Dialog>
  );
}
