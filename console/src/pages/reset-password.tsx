import { resetPassword } from "@latchkey/contract/password-resets.ts";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState, useSyncExternalStore } from "react";
import { api } from "../api/client.ts";
import { hasStatus } from "../api/errors.ts";
import { dropFragmentToken, fragmentToken, onFragmentToken } from "../api/fragment-token.ts";
import { queries } from "../api/queries.ts";
import { ApiForm, Submit } from "../components/ApiForm.tsx";
import { NEW_PASSWORD_HINT, NEW_PASSWORD_RULES } from "../components/new-person.ts";
import { TEXT_LINK, Visitor } from "../layouts/Visitor.tsx";
import { paths } from "../paths.ts";
import { buttonClass } from "../ui/Button.tsx";
import { FormRefusal } from "../ui/Form.tsx";
import { PasswordField } from "../ui/fields.tsx";
import { announce } from "../ui/Toasts.tsx";

/** Where the link of a forgotten password leads. */
export function ResetPasswordPage() {
  const navigate = useNavigate();
  const reset_token = useSyncExternalStore(onFragmentToken, () => fragmentToken(paths.resetPassword()));
  // The token that was refused; a new link pasted into this tab brings another one.
  const [refused, setRefused] = useState<string>();
  const footer = (
    <Link to={paths.signIn()} className={TEXT_LINK}>
      Back to signing in
    </Link>
  );
  if (reset_token === undefined || reset_token === refused) {
    return (
      <Visitor title={refused === undefined ? "Open your link" : "This link is not good any more"} footer={footer}>
        <p>
          {refused === undefined
            ? "A new password is set with the link that was made for you. Open it again: this page forgets it when it is reloaded."
            : "It was used, or is older than 30 minutes. Ask for a new one."}
        </p>
        <p>
          <Link to={paths.forgotPassword()} className={buttonClass()}>
            Ask for a new link
          </Link>
        </p>
      </Visitor>
    );
  }
  return (
    <Visitor
      title="Set a new password"
      description="Then you are signed out everywhere, your command lines too. API keys go on working, unless a stranger may have made the account."
      footer={footer}
    >
      <ApiForm
        defaults={{ new_password: "" }}
        onSubmit={async ({ new_password }) => {
          try {
            await api.call(resetPassword, { body: { reset_token, new_password } });
          } catch (error) {
            if (!hasStatus(error, 404)) throw error;
            setRefused(reset_token);
            return;
          }
          // Whoever was signed in here is not any more.
          queries.clear();
          await navigate({ to: paths.signIn(), replace: true });
          dropFragmentToken();
          announce("Your new password is set. Sign in with it.");
        }}
      >
        <PasswordField
          name="new_password"
          label="New password"
          autoComplete="new-password"
          rules={NEW_PASSWORD_RULES}
          hint={NEW_PASSWORD_HINT}
        />
        <FormRefusal />
        <Submit className="mt-1 w-full">Set password</Submit>
      </ApiForm>
    </Visitor>
  );
}
