import type { Branch } from "@latchkey/contract/branches.ts";
import type { Endpoint } from "@latchkey/contract/endpoints.ts";
import type { Operation } from "@latchkey/contract/operations.ts";
import { State } from "../../ui/State.tsx";
import { hasFailed, isMoving } from "./operations.ts";

export function EndpointState({ endpoint }: { readonly endpoint: Endpoint }) {
  if (endpoint.pending_state && endpoint.pending_state !== endpoint.current_state) {
    return <State kind="moving">{`${endpoint.current_state}, becoming ${endpoint.pending_state}`}</State>;
  }
  return <State kind={endpoint.current_state === "active" ? "on" : "off"}>{endpoint.current_state}</State>;
}

export function BranchState({ branch }: { readonly branch: Branch }) {
  return <State kind={branch.current_state === "ready" ? "on" : "moving"}>{branch.current_state}</State>;
}

export function OperationState({ operation }: { readonly operation: Operation }) {
  const kind = isMoving(operation) ? "moving" : hasFailed(operation) ? "attention" : "off";
  return <State kind={kind}>{operation.status}</State>;
}

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** Bytes in decimal units, as `psql` and disks count them: "7.6 MB". */
export function formatBytes(bytes: number | undefined): string {
  if (bytes === undefined) return "not measured yet";
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), UNITS.length - 1);
  const value = bytes / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[power]}`;
}
