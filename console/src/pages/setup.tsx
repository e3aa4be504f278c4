import { getInstance } from "@latchkey/contract/users.ts";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useSyncExternalStore } from "react";
import { dropFragmentToken, fragmentToken, onFragmentToken } from "../api/fragment-token.ts";
import { query } from "../api/queries.ts";
import { Failure } from "../components/Failures.tsx";
import { NewPersonForm } from "../components/NewPersonForm.tsx";
import { TEXT_LINK, Visitor } from "../layouts/Visitor.tsx";
import { paths } from "../paths.ts";

/** The first visit to a new server: the link that it printed makes the first person, its administrator. */
export function SetupPage() {
  const navigate = useNavigate();
  const setup_token = useSyncExternalStore(onFragmentToken, () => fragmentToken(paths.setup()));
  const instance = useQuery(query(getInstance));

  if (instance.error && !instance.data) {
    return (
      <Visitor title="Set up Latchkey">
        <Failure error={instance.error} onRetry={() => void instance.refetch()} />
      </Visitor>
    );
  }
  if (instance.data?.needs_setup === false) {
    return (
      <Visitor title="This server is set up">
        <p className="text-muted">
          Its first account exists already, so this link has done its work.{" "}
          <Link to={paths.signIn()} className={TEXT_LINK}>
            Sign in
          </Link>
        </p>
      </Visitor>
    );
  }
  if (setup_token === undefined) {
    return (
      <Visitor title="Set up Latchkey" description="This server has no accounts yet.">
        <p>
          Open the set-up link that the server printed when it started. It looks like{" "}
          <code className="font-mono text-13 break-all">{window.location.origin}/setup#…</code> and is shown in the
          server’s terminal or log, so that only somebody who can see those can take over a new server.
        </p>
        <p className="text-muted">Has the link scrolled away? Restart the server, and it prints one again.</p>
      </Visitor>
    );
  }
  return (
    <Visitor title="Set up Latchkey" description="Create the first account. It administers this server.">
      <NewPersonForm
        admission={{ setup_token }}
        onDone={async () => {
          await navigate({ to: paths.home(), replace: true });
          dropFragmentToken();
        }}
      />
    </Visitor>
  );
}
