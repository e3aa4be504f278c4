import { type CurrentUser, signUp } from "@latchkey/contract/users.ts";
import { api } from "../api/client.ts";
import { hasStatus, sentence } from "../api/errors.ts";
import { beginSession } from "../api/session.ts";
import { FormRefusal } from "../ui/Form.tsx";
import { PasswordField, TextField } from "../ui/fields.tsx";
import { ApiForm, Submit } from "./ApiForm.tsx";
import { EMAIL_RULES, NAME_RULES, NEW_PASSWORD_HINT, NEW_PASSWORD_RULES } from "./new-person.ts";

interface NewPersonFormProps {
  /** What lets this person in, besides open sign-up. */
  readonly admission: { readonly setup_token?: string; readonly invitation_token?: string };
  readonly onDone: (person: CurrentUser) => void | Promise<void>;
}

/** Makes the account and signs in; the same for the first person, an invited one and everybody else. */
export function NewPersonForm({ admission, onDone }: NewPersonFormProps) {
  return (
    <ApiForm
      defaults={{ name: "", email: "", password: "" }}
      onSubmit={async ({ name, email, password }) => {
        const body = { name: name.trim(), email: email.trim(), password, ...admission };
        const person = await api.call(signUp, { body });
        beginSession(person);
        await onDone(person);
      }}
      refusal={(error) => {
        if (hasStatus(error, 409) && admission.setup_token === undefined) {
          return { field: "email", message: "There is an account with this e-mail already. Sign in instead." };
        }
        if (hasStatus(error, 403) || hasStatus(error, 404) || hasStatus(error, 409)) {
          return { title: "You cannot sign up with this link", message: sentence(error.message) };
        }
        return undefined;
      }}
    >
      <TextField name="name" label="Name" autoComplete="name" rules={NAME_RULES} />
      <TextField name="email" label="E-mail" type="email" autoComplete="username" rules={EMAIL_RULES} />
      <PasswordField
        name="password"
        label="Password"
        autoComplete="new-password"
        rules={NEW_PASSWORD_RULES}
        hint={NEW_PASSWORD_HINT}
      />
      <FormRefusal />
      <Submit className="mt-1 w-full">Create account</Submit>
    </ApiForm>
  );
}
