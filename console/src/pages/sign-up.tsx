import { getInstance } from "@latchkey/contract/users.ts";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { dropFragmentToken, fragmentToken } from "../api/fragment-token.ts";
import { query } from "../api/queries.ts";
import { Failure } from "../components/Failures.tsx";
import { NewPersonForm } from "../components/NewPersonForm.tsx";
import { TEXT_LINK, Visitor } from "../layouts/Visitor.tsx";
import { paths } from "../paths.ts";

/** An account for whoever comes, where the server is open, or for who holds an invitation. */
export function SignUpPage() {
  const navigate = useNavigate();
  const { next } = useSearch({ strict: false });
  const instance = useQuery(query(getInstance));
  const invitation_token = fragmentToken(paths.acceptInvitation());
  const footer = (
    <>
      Have an account?{" "}
      <Link to={paths.signIn()} search={next ? { next } : {}} className={TEXT_LINK}>
        Sign in
      </Link>
    </>
  );

  if (instance.error && !instance.data) {
    return (
      <Visitor title="Sign up" footer={footer}>
        <Failure error={instance.error} onRetry={() => void instance.refetch()} />
      </Visitor>
    );
  }
  if (instance.data && instance.data.sign_up !== "open" && invitation_token === undefined) {
    return (
      <Visitor title="Sign up" footer={footer}>
        <p>
          {instance.data.sign_up === "closed"
            ? "Sign-up is closed on this server. Ask whoever runs it for an account."
            : "Sign-up on this server needs an invitation. Ask an admin of your organization for a link, and open it here."}
        </p>
      </Visitor>
    );
  }
  return (
    <Visitor
      title="Sign up"
      description={
        invitation_token === undefined ? undefined : "Use the e-mail address that the invitation was made for."
      }
      footer={footer}
    >
      <NewPersonForm
        admission={invitation_token === undefined ? {} : { invitation_token }}
        onDone={async () => {
          // An invitation is accepted by signing up with it; there is nothing to go back to.
          await navigate({ to: invitation_token === undefined ? (next ?? paths.home()) : paths.home(), replace: true });
          dropFragmentToken();
        }}
      />
    </Visitor>
  );
}
