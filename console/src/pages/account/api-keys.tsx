import { type ListedKey, listApiKeys, revokeApiKey } from "@latchkey/contract/api-keys.ts";
import { useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { api } from "../../api/client.ts";
import { query, refresh } from "../../api/queries.ts";
import { useCreateOnArrival } from "../../components/create-on-arrival.ts";
import { Failure } from "../../components/Failures.tsx";
import { KeyTable } from "../../components/keys/KeyTable.tsx";
import { NewPersonalKeyDialog } from "../../components/keys/late-dialogs.ts";
import { RevokeKeyDialog } from "../../components/keys/RevokeKeyDialog.tsx";
import { Button } from "../../ui/Button.tsx";
import { Empty, Page } from "../../ui/Page.tsx";

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
      {creating && <NewPersonalKeyDialog onClose={() => setCreating(false)} return_focus={create_button} />}
      <RevokeKeyDialog
        revoking={revoking}
        onClose={() => setRevoking(undefined)}
        revoke={async (key) => {
          await api.call(revokeApiKey, { params: { key_id: key.id } });
          await refresh(listApiKeys);
        }}
      />
    </Page>
  );
}
