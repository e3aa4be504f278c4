import { listOAuthGrants } from "@latchkey/contract/oauth.ts";
import { listSessions } from "@latchkey/contract/sessions.ts";
import { changePassword } from "@latchkey/contract/users.ts";
import { useState } from "react";
import { api } from "../api/client.ts";
import { hasStatus, sentence } from "../api/errors.ts";
import { refresh } from "../api/queries.ts";
import { FormRefusal } from "../ui/Form.tsx";
import { PasswordField } from "../ui/fields.tsx";
import { announce } from "../ui/Toasts.tsx";
import { ApiForm, Submit } from "./ApiForm.tsx";
import { NEW_PASSWORD_HINT, NEW_PASSWORD_RULES } from "./new-person.ts";

/** Replaces the password; whoever is signed in with the old one elsewhere is signed out. */
export function ChangePasswordForm() {
  const [round, setRound] = useState(0);
  return (
    <ApiForm
      // Made anew when it has done its work, so that no password stays in its fields.
      key={round}
      label="Change password"
      className="max-w-[400px]"
      defaults={{ current_password: "", new_password: "" }}
      onSubmit={async (body) => {
        const { sessions_ended, oauth_grants_ended } = await api.call(changePassword, { body });
        await refresh(listSessions, listOAuthGrants);
        const ended = sessions_ended + oauth_grants_ended;
        announce(`Your password is changed. ${ended} other ${ended === 1 ? "sign-in has" : "sign-ins have"} ended.`);
        setRound(round + 1);
      }}
      refusal={(error) => {
        if (hasStatus(error, 403)) return { field: "current_password", message: "This is not your current password." };
        if (hasStatus(error, 400) || hasStatus(error, 409)) {
          return { field: "new_password", message: sentence(error.message) };
        }
        return undefined;
      }}
    >
      <PasswordField
        name="current_password"
        label="Current password"
        autoComplete="current-password"
        rules={{ required: "Enter your current password." }}
      />
      <PasswordField
        name="new_password"
        label="New password"
        autoComplete="new-password"
        rules={NEW_PASSWORD_RULES}
        hint={NEW_PASSWORD_HINT}
      />
      <FormRefusal />
      <Submit className="self-start">Change password</Submit>
    </ApiForm>
  );
}
