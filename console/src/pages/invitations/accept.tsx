import { acceptInvitation } from "@latchkey/contract/organizations.ts";
import { getCurrentUserOrganizations } from "@latchkey/contract/users.ts";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useSyncExternalStore } from "react";
import { api } from "../../api/client.ts";
import { hasStatus, sentence } from "../../api/errors.ts";
import { dropFragmentToken, fragmentToken, onFragmentToken } from "../../api/fragment-token.ts";
import { refresh } from "../../api/queries.ts";
import { findPerson } from "../../api/session.ts";
import { ApiForm, Submit } from "../../components/ApiForm.tsx";
import { Failure } from "../../components/Failures.tsx";
import { Visitor } from "../../layouts/Visitor.tsx";
import { paths } from "../../paths.ts";
import { buttonClass } from "../../ui/Button.tsx";
import { FormRefusal } from "../../ui/Form.tsx";
import { announce } from "../../ui/Toasts.tsx";

/** Where an invitation link leads, for people with an account and without, signed in or not. */
export function AcceptInvitationPage() {
  const navigate = useNavigate();
  const token = useSyncExternalStore(onFragmentToken, () => fragmentToken(paths.acceptInvitation()));
  const person = useQuery({
    queryKey: ["person here"],
    queryFn: async () => (await findPerson()) ?? null,
    staleTime: 0,
  });

  if (token === undefined) {
    return (
      <Visitor title="Accept an invitation">
        <p>
          The invitation link is missing its last part. Open the whole link again, from the # on included. If it has
          been used or withdrawn, ask an admin of the organization for a new one.
        </p>
        <p>
          <Link to={paths.home()} className={buttonClass()}>
            Go to your projects
          </Link>
        </p>
      </Visitor>
    );
  }
  if (person.error) {
    return (
      <Visitor title="Accept an invitation">
        <Failure error={person.error} onRetry={() => void person.refetch()} />
      </Visitor>
    );
  }
  if (person.data === undefined) return <Visitor title="Accept an invitation">{<Waiting />}</Visitor>;
  if (person.data === null) {
    return (
      <Visitor
        title="Accept an invitation"
        description="You were invited to an organization. Sign in with the invited e-mail address, or create an account with it."
      >
        <div className="flex flex-col gap-2">
          <Link to={paths.signUp()} className={buttonClass("primary")}>
            Create an account
          </Link>
          <Link to={paths.signIn()} search={{ next: paths.acceptInvitation() }} className={buttonClass()}>
            Sign in
          </Link>
        </div>
      </Visitor>
    );
  }
  return (
    <Visitor
      title="Accept an invitation"
      description={
        <>
          You are signed in as <strong className="font-medium text-text">{person.data.email}</strong>.
        </>
      }
    >
      <ApiForm
        defaults={{}}
        onSubmit={async () => {
          const organization = await api.call(acceptInvitation, { body: { invitation_token: token } });
          await refresh(getCurrentUserOrganizations);
          announce(`You are a member of ${organization.name}.`);
          await navigate({ to: paths.projects(organization.id), replace: true });
          dropFragmentToken();
        }}
        refusal={(error) => {
          if (hasStatus(error, 404)) {
            return {
              title: "This invitation is no longer open",
              message: "It was used, withdrawn or has expired. Ask an admin of the organization for a new link.",
            };
          }
          if (hasStatus(error, 403) || hasStatus(error, 409)) {
            return { title: "You cannot accept this invitation", message: sentence(error.message) };
          }
          return undefined;
        }}
      >
        <FormRefusal />
        <Submit className="w-full">Join the organization</Submit>
        <Link to={paths.home()} className={buttonClass("quiet")}>
          Not now
        </Link>
      </ApiForm>
    </Visitor>
  );
}

function Waiting() {
  return (
    <div role="status" className="flex flex-col gap-2">
      <span className="sr-only">Loading</span>
      <div className="skeleton h-8" />
      <div className="skeleton h-8" />
    </div>
  );
}
