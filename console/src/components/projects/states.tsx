import type { Branch } from "@latchkey/contract/branches.ts";
import type { Endpoint } from "@latchkey/contract/endpoints.ts";
import type { Operation } from "@latchkey/contract/operations.ts";
import { State } from "../../ui/State.tsx";
import { hasFailed, isMoving } from "./operations.ts";

/** What a compute is doing, in a word: the API's two states and what lies between them. */
export function endpointState({ current_state, pending_state, disabled, unreachable_since }: Endpoint): string {
  if (unreachable_since !== undefined) return "unreachable";
  if (pending_state === "active") return "starting";
  if (pending_state === "idle") return "stopping";
  if (disabled) return "disabled";
  return current_state === "init" ? "starting" : current_state;
}

export function EndpointState({ endpoint }: { readonly endpoint: Endpoint }) {
  const state = endpointState(endpoint);
  const kind = COMPUTE_KINDS[state] ?? (state.endsWith("ing") ? "moving" : "off");
  return <State kind={kind}>{state}</State>;
}

const COMPUTE_KINDS: Readonly<Record<string, "on" | "attention">> = { active: "on", unreachable: "attention" };

const BRANCH_STATES: Record<Branch["current_state"], string> = {
  init: "being made",
  resetting: "being reset",
  ready: "ready",
};

interface BranchStateProps {
  readonly branch: Branch;
  /** Where known; of what is being done to the branch only how far a copy is shows. */
  readonly operations?: readonly Operation[] | undefined;
}

export function BranchState({ branch, operations = [] }: BranchStateProps) {
  const { id, current_state } = branch;
  const copy = operations.find(({ branch_id, progress }) => branch_id === id && progress !== undefined)?.progress;
  const percent = copy && current_state !== "ready" ? `, ${percentOf(copy)} %` : "";
  return <State kind={current_state === "ready" ? "on" : "moving"}>{BRANCH_STATES[current_state] + percent}</State>;
}

/** Never 100: what is copied has yet to be written out. */
function percentOf({ copied_bytes, total_bytes }: NonNullable<Operation["progress"]>): number {
  return Math.min(99, Math.floor((100 * copied_bytes) / Math.max(1, total_bytes)));
}

/** How far the copy is that an operation makes; undefined where it makes none. */
export function describeProgress({ progress }: Operation): string | undefined {
  return progress && `${percentOf(progress)} % of ${formatBytes(progress.total_bytes)} copied`;
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
