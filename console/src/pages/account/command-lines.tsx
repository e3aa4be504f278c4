import { listOAuthGrants } from "@latchkey/contract/oauth.ts";
import { useQuery } from "@tanstack/react-query";
import { query } from "../../api/queries.ts";
import { Failure } from "../../components/Failures.tsx";
import { CommandLineTable } from "../../components/oauth/CommandLineTable.tsx";
import { useTableView } from "../../components/table-view.ts";
import { Empty, Page } from "../../ui/Page.tsx";

/** Logins of command lines: credentials like keys, made by consent in the browser. */
export function CommandLinesPage() {
  const grants = useQuery(query(listOAuthGrants));
  const [view, setView] = useTableView();
  return (
    <Page
      title="Command lines"
      description="Where you have signed in from a terminal. Each may do everything that you may, until you sign it out."
    >
      <CommandLineTable
        grants={grants.data?.oauth_grants}
        empty={
          <Empty>
            No command line is signed in. Run <code className="font-mono text-13">latchkey auth</code> or{" "}
            <code className="font-mono text-13">neon auth</code> in a terminal, and it is listed here.
          </Empty>
        }
        failed={grants.error && !grants.data && <Failure error={grants.error} onRetry={() => void grants.refetch()} />}
        view={view}
        onView={setView}
      />
    </Page>
  );
}
