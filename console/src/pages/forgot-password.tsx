import { requestPasswordReset } from "@latchkey/contract/password-resets.ts";
import { getInstance } from "@latchkey/contract/users.ts";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api } from "../api/client.ts";
import { query } from "../api/queries.ts";
import { ApiForm, Submit } from "../components/ApiForm.tsx";
import { Failure } from "../components/Failures.tsx";
import { EMAIL_RULES } from "../components/new-person.ts";
import { TEXT_LINK, Visitor } from "../layouts/Visitor.tsx";
import { paths } from "../paths.ts";
import { Button } from "../ui/Button.tsx";
import { Code } from "../ui/Code.tsx";
import { FormRefusal } from "../ui/Form.tsx";
import { TextField } from "../ui/fields.tsx";

const COMMAND = "npm run setup -- --email YOUR-E-MAIL --reset-link";
const TITLE = "Forgot your password?";

/** Asks for a link by mail; where the server sends none, says who can make one. */
export function ForgotPasswordPage() {
  const instance = useQuery(query(getInstance));
  const [asked_for, setAskedFor] = useState<string>();
  const footer = (
    <Link to={paths.signIn()} className={TEXT_LINK}>
      Back to signing in
    </Link>
  );
  if (instance.error && !instance.data) {
    return (
      <Visitor title={TITLE} footer={footer}>
        <Failure error={instance.error} onRetry={() => void instance.refetch()} />
      </Visitor>
    );
  }
  if (instance.data?.sends_mail === false) {
    return (
      <Visitor title={TITLE} description="This server sends no mail." footer={footer}>
        <p>Ask whoever runs it for a link. They make one on the server’s machine, in Latchkey’s folder:</p>
        <Code text={COMMAND} what="command" />
        <p className="text-muted">
          The link works once, for 30 minutes, and only you see the password that you choose.
        </p>
      </Visitor>
    );
  }
  if (asked_for !== undefined) {
    return (
      <Visitor title="Check your mail" footer={footer}>
        <p>
          If <strong className="font-medium break-all">{asked_for}</strong> has an account here, a link is on its way to
          it. The link works once, for 30 minutes.
        </p>
        <p className="text-muted">
          Nothing came? Look where your mail program puts what it does not trust, and check the address.
        </p>
        <Button className="self-start" onClick={() => setAskedFor(undefined)}>
          Use another address
        </Button>
      </Visitor>
    );
  }
  return (
    <Visitor title={TITLE} description="A link to set a new one comes to your e-mail address." footer={footer}>
      <ApiForm
        defaults={{ email: "" }}
        onSubmit={async ({ email }) => {
          await api.call(requestPasswordReset, { body: { email: email.trim() } });
          setAskedFor(email.trim());
        }}
      >
        <TextField name="email" label="E-mail" type="email" autoComplete="username" rules={EMAIL_RULES} />
        <FormRefusal />
        <Submit className="mt-1 w-full">Send the link</Submit>
      </ApiForm>
    </Visitor>
  );
}
