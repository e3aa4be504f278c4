import { signIn } from "@latchkey/contract/sessions.ts";
import { getInstance } from "@latchkey/contract/users.ts";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { api } from "../api/client.ts";
import { hasStatus } from "../api/errors.ts";
import { query } from "../api/queries.ts";
import { beginSession } from "../api/session.ts";
import { ApiForm, Submit } from "../components/ApiForm.tsx";
import { TEXT_LINK, Visitor } from "../layouts/Visitor.tsx";
import { paths } from "../paths.ts";
import { FormRefusal } from "../ui/Form.tsx";
import { PasswordField, TextField } from "../ui/fields.tsx";

export function SignInPage() {
  const navigate = useNavigate();
  const { next } = useSearch({ strict: false });
  const instance = useQuery(query(getInstance));
  return (
    <Visitor
      title="Sign in"
      footer={
        instance.data?.sign_up === "open" && (
          <>
            No account yet?{" "}
            <Link to={paths.signUp()} search={next ? { next } : {}} className={TEXT_LINK}>
              Sign up
            </Link>
          </>
        )
      }
    >
      <ApiForm
        defaults={{ email: "", password: "" }}
        onSubmit={async ({ email, password }) => {
          const person = await api.call(signIn, { body: { email: email.trim(), password } });
          beginSession(person);
          await navigate({ to: next ?? paths.home(), replace: true });
        }}
        refusal={(error) =>
          hasStatus(error, 401) || hasStatus(error, 400)
            ? { field: "password", message: "E-mail or password is wrong." }
            : undefined
        }
      >
        <TextField
          name="email"
          label="E-mail"
          type="email"
          autoComplete="username"
          rules={{ required: "Enter your e-mail address." }}
        />
        <PasswordField
          name="password"
          label="Password"
          autoComplete="current-password"
          rules={{ required: "Enter your password." }}
        />
        <Link to={paths.forgotPassword()} className={`self-start ${TEXT_LINK}`}>
          Forgot password?
        </Link>
        <FormRefusal />
        <Submit className="mt-1 w-full">Sign in</Submit>
      </ApiForm>
    </Visitor>
  );
}
