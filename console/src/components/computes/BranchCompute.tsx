import { createProjectEndpoint, listProjectBranchEndpoints } from "@latchkey/contract/endpoints.ts";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "../../api/client.ts";
import { explain } from "../../api/errors.ts";
import { query } from "../../api/queries.ts";
import { Button } from "../../ui/Button.tsx";
import { Notice } from "../../ui/Notice.tsx";
import { Empty } from "../../ui/Page.tsx";
import { Failure } from "../Failures.tsx";
import { follow, STATES_EVERY_MS } from "../projects/operations.ts";
import { ComputePanel } from "./ComputePanel.tsx";

interface BranchComputeProps {
  readonly params: { readonly project_id: string; readonly branch_id: string };
  readonly busy_reason: string | undefined;
}

/** The compute of a branch, which has one at most. */
export function BranchCompute({ params, busy_reason }: BranchComputeProps) {
  const endpoints = useQuery({ ...query(listProjectBranchEndpoints, { params }), refetchInterval: STATES_EVERY_MS });
  const [adding, setAdding] = useState(false);
  const [error, setError] = useState<unknown>();
  if (endpoints.error && !endpoints.data) {
    return <Failure error={endpoints.error} onRetry={() => void endpoints.refetch()} />;
  }
  if (!endpoints.data) return <div className="skeleton h-40" />;
  const [endpoint] = endpoints.data.endpoints;
  if (endpoint) return <ComputePanel key={endpoint.id} endpoint={endpoint} busy_reason={busy_reason} />;

  const add = async () => {
    setAdding(true);
    setError(undefined);
    try {
      const { operations } = await api.call(createProjectEndpoint, {
        params: { project_id: params.project_id },
        body: { endpoint: { branch_id: params.branch_id, type: "read_write" } },
      });
      await follow(params.project_id, operations);
    } catch (cause) {
      setError(cause);
    } finally {
      setAdding(false);
    }
  };
  const failure = error === undefined ? undefined : explain(error);
  return (
    <>
      <Empty
        action={
          <Button busy={adding} disabled_reason={busy_reason} onClick={() => void add()}>
            Add compute
          </Button>
        }
      >
        This branch is data alone: no compute answers connections to it. One can be added and deleted at any time.
      </Empty>
      {failure && (
        <Notice kind="danger" title={failure.title} request_id={failure.request_id}>
          {failure.detail}
        </Notice>
      )}
    </>
  );
}
