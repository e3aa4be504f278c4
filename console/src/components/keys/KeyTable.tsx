import type { ListedKey } from "@latchkey/contract/api-keys.ts";
import { type ReactNode, useMemo } from "react";
import { Mono } from "../../ui/Code.tsx";
import { type Column, DataTable } from "../../ui/DataTable.tsx";
import { MenuItem } from "../../ui/Menu.tsx";
import { State } from "../../ui/State.tsx";
import { Time } from "../../ui/Time.tsx";
import { Tooltip } from "../../ui/Tooltip.tsx";
import { usePerson } from "../present.ts";
import { useTableView } from "../table-view.ts";
import { type KeyState, STALE_AFTER_DAYS, stateOfKey } from "./key-state.ts";

interface KeyTableProps {
  readonly label: string;
  /** Undefined while loading. */
  readonly keys: readonly ListedKey[] | undefined;
  readonly empty: ReactNode;
  readonly failed?: ReactNode;
  readonly onRevoke: (key: ListedKey) => void;
  /** What the key reaches, where keys of one list differ in it. */
  readonly reach?: Column<ListedKey>;
}

/** Live keys; revoked ones have left the list. */
export function KeyTable({ label, keys, empty, failed, onRevoke, reach }: KeyTableProps) {
  const person = usePerson();
  const [view, setView] = useTableView();
  const columns = useMemo(() => columnsFor(person?.id, reach), [person?.id, reach]);
  return (
    <DataTable
      label={label}
      columns={columns}
      rows={keys}
      rowId={(key) => key.id}
      rowName={(key) => key.name}
      empty={empty}
      failed={failed}
      view={view}
      onView={setView}
      narrow={narrowLine}
      menu={(key) => (
        <MenuItem danger onClick={() => onRevoke(key)}>
          Revoke…
        </MenuItem>
      )}
    />
  );
}

function columnsFor(person_id: string | undefined, reach: Column<ListedKey> | undefined): readonly Column<ListedKey>[] {
  const creator = (key: ListedKey) => (key.created_by.id === person_id ? "you" : key.created_by.name);
  return [
    {
      id: "name",
      header: "Name",
      value: (key) => key.name,
      search: (key) => key.name,
      cell: (key) => <span title={key.name}>{key.name}</span>,
    },
    {
      id: "token",
      header: "Token",
      width: "w-28",
      from: "sm",
      search: (key) => key.hint,
      cell: (key) => <Mono>{`…${key.hint}`}</Mono>,
    },
    ...(reach ? [reach] : []),
    {
      id: "state",
      header: "State",
      width: "w-24",
      from: "lg",
      value: stateNow,
      search: stateNow,
      cell: (key) => <StateOfKey state={stateNow(key)} />,
    },
    {
      id: "created",
      header: "Created",
      width: "w-56",
      from: "xl",
      value: (key) => Date.parse(key.created_at),
      search: (key) => key.created_by.name,
      cell: (key) => (
        <>
          <Time at={key.created_at} /> <span className="text-muted">· {creator(key)}</span>
        </>
      ),
    },
    {
      id: "last_used",
      header: "Last used",
      width: "w-52",
      from: "sm",
      value: (key) => (key.last_used_at === null ? undefined : Date.parse(key.last_used_at)),
      search: (key) => key.last_used_from_addr,
      cell: (key) => <LastUse used={key} />,
    },
  ];
}

const stateNow = (key: ListedKey) => stateOfKey(key, Date.now());

function StateOfKey({ state }: { readonly state: KeyState }) {
  if (state === "active") return <State kind="on">active</State>;
  if (state === "unused") return <State kind="off">unused</State>;
  return (
    <Tooltip text={`Not used for ${STALE_AFTER_DAYS} days: revoke it if nobody would miss it`}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what it means has to be reachable without a mouse */}
      <span tabIndex={0} className="rounded-sm">
        <State kind="attention">stale</State>
      </span>
    </Tooltip>
  );
}

function narrowLine(key: ListedKey): ReactNode {
  return (
    <>
      <Mono>{`…${key.hint}`}</Mono> · {key.last_used_at === null ? "never used" : <LastUse used={key} />}
      {stateNow(key) === "stale" && " · stale"}
    </>
  );
}

/** When, and from where. */
function LastUse({ used }: { readonly used: ListedKey }) {
  if (used.last_used_at === null) return <span className="text-muted">never used</span>;
  return (
    <>
      <Time at={used.last_used_at} />
      {used.last_used_from_addr !== "" && (
        <>
          {" "}
          <Tooltip text={used.last_used_user_agent || "The client did not name itself"}>
            <span className="text-muted">· {used.last_used_from_addr}</span>
          </Tooltip>
        </>
      )}
    </>
  );
}
