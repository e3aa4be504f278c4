import { useState } from "react";
import { Button } from "../../ui/Button.tsx";
import { type Column, DataTable } from "../../ui/DataTable.tsx";
import { MenuItem } from "../../ui/Menu.tsx";
import { Notice } from "../../ui/Notice.tsx";
import { Empty, Section } from "../../ui/Page.tsx";
import { State } from "../../ui/State.tsx";

interface Row {
  readonly id: number;
  readonly name: string;
  readonly size: number;
}

const COLUMNS: readonly Column<Row>[] = [
  { id: "name", header: "Name", value: ({ name }) => name, search: ({ name }) => name, cell: ({ name }) => name },
  { id: "state", header: "State", width: "w-32", from: "sm", cell: () => <State kind="on">active</State> },
  {
    id: "size",
    header: "Size",
    width: "w-28",
    align: "right",
    value: ({ size }) => size,
    cell: ({ size }) => `${size} MB`,
  },
];
const FEW = rows(3);
const MANY = rows(10_000);
const NONE: readonly Row[] = [];

function rows(count: number): readonly Row[] {
  return Array.from({ length: count }, (_, index) => ({
    id: index,
    name: `row-${index + 1}`,
    size: (index * 37) % 91,
  }));
}

export function Tables() {
  const shape = { columns: COLUMNS, rowId: ({ id }: Row) => id, rowName: ({ name }: Row) => name };
  const [many, setMany] = useState(false);
  const menu = () => <MenuItem onClick={() => {}}>Rename…</MenuItem>;
  return (
    <>
      <Section title="Table">
        <DataTable {...shape} label="A few rows" rows={FEW} menu={menu} empty={null} />
      </Section>
      <Section title="Loading">
        <DataTable {...shape} label="Loading rows" rows={undefined} empty={null} />
      </Section>
      <Section title="Empty">
        <DataTable {...shape} label="No rows" rows={NONE} empty={<Empty>There is nothing here yet.</Empty>} />
      </Section>
      <Section title="Failed">
        <DataTable
          {...shape}
          label="Failed rows"
          rows={undefined}
          empty={null}
          failed={<Notice kind="danger" title="No connection to the server" />}
        />
      </Section>
      <Section title="Ten thousand rows">
        {many ? (
          <DataTable {...shape} label="Many rows" rows={MANY} menu={menu} empty={null} />
        ) : (
          <Button className="self-start" onClick={() => setMany(true)}>
            Show them
          </Button>
        )}
      </Section>
    </>
  );
}
