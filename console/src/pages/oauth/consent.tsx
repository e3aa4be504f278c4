import { approveOAuthAuthorization, getOAuthAuthorization } from "@latchkey/contract/oauth.ts";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "../../api/client.ts";
import { hasStatus } from "../../api/errors.ts";
import { query } from "../../api/queries.ts";
import { ApiForm, Submit } from "../../components/ApiForm.tsx";
import { Failure } from "../../components/Failures.tsx";
import { LoginAsked } from "../../components/oauth/LoginAsked.tsx";
import { NotYou } from "../../components/oauth/NotYou.tsx";
import { Refused } from "../../components/oauth/Refused.tsx";
import { Visitor } from "../../layouts/Visitor.tsx";
import { Button } from "../../ui/Button.tsx";
import { FormRefusal } from "../../ui/Form.tsx";

/**
 * Where `/oauth2/authorize` leads: a command line asks to act as the person. The request is one opaque text,
 * which the server reads and checks at each step; only its answer to the approval names where to go.
 */
export function ConsentPage() {
  const [request] = useState(() => new URLSearchParams(window.location.search).get("request") ?? "");
  const asked = useQuery({ ...query(getOAuthAuthorization, { query: { request } }), enabled: request !== "" });
  const [outcome, setOutcome] = useState<"refused" | "approved">();

  if (request === "" || hasStatus(asked.error, 400)) return <Refused reason="request" />;
  if (asked.error) {
    return (
      <Visitor title="Sign in a command line">
        <Failure error={asked.error} onRetry={() => void asked.refetch()} />
      </Visitor>
    );
  }
  if (!asked.data) return <Visitor title="Sign in a command line">{null}</Visitor>;
  const { client, offline, redirect_host } = asked.data;
  if (outcome === "refused") {
    return (
      <Visitor title="Nothing was let in">
        <p>
          {client.name} gets no access. It may still be waiting in your terminal: end it there with Ctrl-C, and close
          this window.
        </p>
      </Visitor>
    );
  }
  if (outcome === "approved") {
    return (
      <Visitor title={`${client.name} is let in`}>
        <p role="status">Your terminal goes on by itself. You can close this window.</p>
      </Visitor>
    );
  }
  return (
    <Visitor title={`Let ${client.name} in?`} description="A command line asks to act as you." footer={<NotYou />}>
      <LoginAsked client={client} offline={offline} facts={[["Answer goes to", `this computer, ${redirect_host}`]]} />
      <ApiForm
        defaults={{}}
        onSubmit={async () => {
          const { redirect_to } = await api.call(approveOAuthAuthorization, { body: { request } });
          setOutcome("approved");
          // Not kept in the history: going back would ask with a code that is used.
          window.location.replace(redirect_to);
        }}
      >
        <FormRefusal />
        <div className="flex flex-col gap-2">
          <Submit className="w-full">Let it in</Submit>
          <Button kind="quiet" className="w-full" onClick={() => setOutcome("refused")}>
            Refuse
          </Button>
        </div>
      </ApiForm>
    </Visitor>
  );
}
