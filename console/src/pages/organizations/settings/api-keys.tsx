import { type ListedKey, listOrgApiKeys, revokeOrgApiKey } from "@latchkey/contract/api-keys.ts";
import { listProjects } from "@latchkey/contract/projects.ts";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useMemo, useRef, useState } from "react";
import { api } from "../../../api/client.ts";
import { hasStatus, sentence } from "../../../api/errors.ts";
import { listQuery, query, refresh } from "../../../api/queries.ts";
import { useCreateOnArrival } from "../../../components/create-on-arrival.ts";
import { Failure } from "../../../components/Failures.tsx";
import { KeyTable } from "../../../components/keys/KeyTable.tsx";
import { NewOrganizationKeyDialog } from "../../../components/keys/late-dialogs.ts";
import { RevokeKeyDialog } from "../../../components/keys/RevokeKeyDialog.tsx";
import { paths } from "../../../paths.ts";
import { Button, buttonClass } from "../../../ui/Button.tsx";
import type { Column } from "../../../ui/DataTable.tsx";
import { Notice } from "../../../ui/Notice.tsx";
import { Empty, Page } from "../../../ui/Page.tsx";

export function OrganizationApiKeysPage() {
  const { org_id } = useParams({ from: "/signed-in/organizations/$org_id/settings/api-keys" });
  const keys = useQuery(query(listOrgApiKeys, { params: { org_id } }));
  const [creating, setCreating] = useCreateOnArrival();
  const [revoking, setRevoking] = useState<ListedKey>();
  const create_button = useRef<HTMLButtonElement>(null);
  const reach = useReachColumn(org_id);

  const refused = hasStatus(keys.error, 403) ? keys.error : undefined;
  const create = (
    <Button
      ref={create_button}
      kind="primary"
      onClick={() => setCreating(true)}
      disabled_reason={refused && sentence(refused.message)}
    >
      Create new API key
    </Button>
  );
  return (
    <Page
      title="API keys"
      description="Keys of the organization outlive the people who made them. They reach all its projects, or one."
      actions={keys.data?.length === 0 ? undefined : create}
    >
      {refused ? (
        <Notice
          kind="attention"
          title="Only admins see and make the keys of an organization"
          action={
            <Link to={paths.apiKeys()} className={buttonClass()}>
              Go to your personal keys
            </Link>
          }
        >
          {sentence(refused.message)} A personal key of your own reaches this organization too, with your member role.
        </Notice>
      ) : (
        <KeyTable
          label="Organization API keys"
          keys={keys.data}
          reach={reach}
          failed={keys.error && !keys.data && <Failure error={keys.error} onRetry={() => void keys.refetch()} />}
          empty={
            <Empty action={create}>
              Make a key here for what belongs to the organization rather than to a person: a deployment, a shared tool.
              Give it one project where it needs no more.
            </Empty>
          }
          onRevoke={setRevoking}
        />
      )}
      {creating && !refused && (
        <NewOrganizationKeyDialog org_id={org_id} onClose={() => setCreating(false)} return_focus={create_button} />
      )}
      <RevokeKeyDialog
        revoking={revoking}
        onClose={() => setRevoking(undefined)}
        revoke={async (key) => {
          try {
            await api.call(revokeOrgApiKey, { params: { org_id, key_id: key.id } });
          } finally {
            // After a failure too: it may be that the key is gone already.
            await refresh(listOrgApiKeys);
          }
        }}
      />
    </Page>
  );
}

function useReachColumn(org_id: string): Column<ListedKey> {
  const projects = useQuery({ ...listQuery(listProjects, { query: { org_id, limit: 400 } }), staleTime: 30_000 }).data;
  return useMemo(() => {
    const nameOf = ({ project_id }: ListedKey) =>
      project_id === undefined ? "All projects" : (projects?.find(({ id }) => id === project_id)?.name ?? project_id);
    return {
      id: "reach",
      header: "Reach",
      width: "w-44",
      from: "xl",
      value: nameOf,
      search: nameOf,
      cell: (key) =>
        key.project_id === undefined ? (
          nameOf(key)
        ) : (
          <Link to={paths.project(key.project_id)} className="underline underline-offset-2 hover:text-accent">
            {nameOf(key)}
          </Link>
        ),
    };
  }, [projects]);
}
