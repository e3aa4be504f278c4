import { type ListedKey, listApiKeys, revokeApiKey } from "@latchkey/contract/api-keys.ts";
import { listOAuthGrants } from "@latchkey/contract/oauth.ts";
import { useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { api } from "../../api/client.ts";
import { query, refresh } from "../../api/queries.ts";
import { useCreateOnArrival } from "../../components/create-on-arrival.ts";
import { Failure } from "../../components/Failures.tsx";
import { KeyTable } from "../../components/keys/KeyTable.tsx";
import { NewPersonalKeyDialog } from "../../components/keys/late-dialogs.ts";
import { RevokeKeyDialog } from "../../components/keys/RevokeKeyDialog.tsx";
import { CommandLineTable } from "../../components/oauth/CommandLineTable.tsx";
import { Button } from "../../ui/Button.tsx";
import { Empty, Page, Section } from "../../ui/Page.tsx";

export function AccountApiKeysPage() {
  const keys = useQuery(query(listApiKeys));
  const [creating, setCreating] = useCreateOnArrival();
  const [revoking, setRevoking] = useState<ListedKey>();
  const create_button = useRef<HTMLButtonElement>(null);
  const create = (
    <Button ref={create_button} kind="primary" onClick={() => setCreating(true)}>
      Create new API key
    </Button>
  );
  return (
    <Page
      title="API keys"
      description="Personal keys reach every organization and project you are a member of."
      actions={keys.data?.length === 0 ? undefined : create}
    >
      <KeyTable
        label="API keys"
        keys={keys.data}
        failed={keys.error && !keys.data && <Failure error={keys.error} onRetry={() => void keys.refetch()} />}
        empty={
          <Empty action={create}>
            A key lets a program call the API as you: a deployment, a script, the command line. Create one for each, so
            that each can be revoked alone.
          </Empty>
        }
        onRevoke={setRevoking}
      />
      <CommandLines />
      {creating && <NewPersonalKeyDialog onClose={() => setCreating(false)} return_focus={create_button} />}
      <RevokeKeyDialog
        revoking={revoking}
        onClose={() => setRevoking(undefined)}
        revoke={async (key) => {
          try {
            await api.call(revokeApiKey, { params: { key_id: key.id } });
          } finally {
            // After a failure too: it may be that the key is gone already.
            await refresh(listApiKeys);
          }
        }}
      />
    </Page>
  );
}

/** Logins of command lines can do what a personal key can, so whoever looks for one finds the other; absent where there is none. */
function CommandLines() {
  const grants = useQuery(query(listOAuthGrants));
  const failed = grants.error && !grants.data;
  if (!failed && !grants.data?.oauth_grants.length) return null;
  return (
    <Section title="Command lines" description="Where you have signed in from a terminal: each may do what a key may.">
      <CommandLineTable
        grants={grants.data?.oauth_grants}
        failed={failed && <Failure error={grants.error} onRetry={() => void grants.refetch()} />}
      />
    </Section>
  );
}
