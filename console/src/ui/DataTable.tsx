import { ArrowDown, ArrowUp, Ellipsis, Search } from "lucide-react";
import { memo, type ReactNode, useDeferredValue, useEffect, useId, useMemo, useRef, useState } from "react";
import { Button, ICON_BUTTON } from "./Button.tsx";
import { classes } from "./classes.ts";
import { INPUT } from "./input-class.ts";
import { type SharedMenu, SharedMenuPopup, SharedMenuTrigger, useSharedMenu } from "./Menu.tsx";
import { type RowReader, type Sort, searchRows, sortRows } from "./rows.ts";
import { useVisibleRows } from "./visible-rows.ts";

/**
 * The main furniture: a real `<table>` with a sticky head, searching, sorting and one menu a row. All rows
 * are in memory; only those near the window are in the page once there are many.
 */
export interface Column<Row> extends RowReader<Row> {
  readonly header: string;
  readonly cell: (row: Row) => ReactNode;
  readonly align?: "right";
  /** Hidden below this width; what it says then belongs into `narrow`. */
  readonly from?: "sm" | "md" | "lg" | "xl";
  readonly width?: string;
}

export interface TableView {
  readonly search: string;
  readonly sort: Sort | undefined;
}

interface DataTableProps<Row> {
  /** Names the table for assistive technology. */
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  /** Undefined while loading. */
  readonly rows: readonly Row[] | undefined;
  readonly rowId: (row: Row) => string | number;
  /** Takes the table's place when there is nothing to list at all. */
  readonly empty: ReactNode;
  /** Takes the table's place when the list could not be read. */
  readonly failed?: ReactNode;
  /** One line under the first cell on narrow screens, for the columns that are hidden there. */
  readonly narrow?: (row: Row) => ReactNode;
  /** The items of a row's menu, and what the menu is called: "Actions for ci-deploy". */
  readonly menu?: (row: Row) => ReactNode;
  readonly rowName?: (row: Row) => string;
  /** Where search and sorting are kept, when they belong into the address; else the table keeps them. */
  readonly view?: TableView;
  readonly onView?: (view: TableView) => void;
  /** A search field appears once there are more rows than this. */
  readonly search_from?: number;
}

const HIDDEN = { sm: "max-sm:hidden", md: "max-md:hidden", lg: "max-lg:hidden", xl: "max-xl:hidden" };
const SKELETON_ROWS = ["a", "b", "c", "d", "e"];
const NO_VIEW: TableView = { search: "", sort: undefined };
const NO_ROWS: readonly never[] = [];

export function DataTable<Row>(props: DataTableProps<Row>) {
  const { columns, rows, failed, empty, search_from = 8 } = props;
  const [own_view, setOwnView] = useState(NO_VIEW);
  const view = props.view ?? own_view;
  const setView = props.onView ?? setOwnView;
  // Typing stays quick while ten thousand rows are filtered behind it.
  const search = useDeferredValue(view.search);
  const shown = useMemo(
    () => sortRows(searchRows(rows ?? NO_ROWS, columns, search), columns, view.sort),
    [rows, columns, search, view.sort],
  );

  if (failed) return failed;
  if (rows?.length === 0) return empty;
  const searchable = columns.some((column) => column.search) && (rows?.length ?? 0) > search_from;
  return (
    <div className="flex flex-col gap-3">
      {(searchable || view.search !== "") && (
        <SearchField
          label={searchLabel(props.label)}
          value={view.search}
          onChange={(value) => setView({ ...view, search: value })}
          count={shown.length}
          total={rows?.length ?? 0}
        />
      )}
      {rows && shown.length === 0 ? (
        <div className="flex flex-col items-start gap-3 rounded-lg border border-line px-4 py-6">
          <p>Nothing here matches “{view.search}”.</p>
          <Button onClick={() => setView({ ...view, search: "" })}>Clear search</Button>
        </div>
      ) : (
        <Table {...props} rows={rows && shown} view={view} onView={setView} />
      )}
    </div>
  );
}

/** "Search members", "Search API keys". */
function searchLabel(label: string): string {
  return `Search ${/^[A-Z][a-z]/.test(label) ? label.charAt(0).toLowerCase() + label.slice(1) : label}`;
}

interface SearchFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly count: number;
  readonly total: number;
}

function SearchField({ label, value, onChange, count, total }: SearchFieldProps) {
  // The address follows a moment after a key; were its text the field's, the caret would jump to the end.
  const [text, setText] = useState(value);
  const on_the_way = useRef<string[]>([]);
  useEffect(() => {
    const at = on_the_way.current.indexOf(value);
    on_the_way.current.splice(0, at < 0 ? Number.POSITIVE_INFINITY : at + 1);
    if (at < 0) setText(value);
  }, [value]);
  return (
    <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
      <div className="relative w-full max-w-80">
        <Search
          aria-hidden
          className="pointer-events-none absolute top-1/2 left-2.5 size-4 -translate-y-1/2 text-muted"
        />
        <input
          type="search"
          aria-label={label}
          placeholder={label}
          value={text}
          onChange={({ target }) => {
            setText(target.value);
            on_the_way.current.push(target.value);
            onChange(target.value);
          }}
          className={classes(INPUT, "pl-8")}
        />
      </div>
      <p role="status" className="text-13 text-muted tabular-nums">
        {value === ""
          ? `${total.toLocaleString("en")} in all`
          : `${count.toLocaleString("en")} of ${total.toLocaleString("en")}`}
      </p>
    </div>
  );
}

type TableProps<Row> = DataTableProps<Row> & { readonly view: TableView; readonly onView: (view: TableView) => void };

function Table<Row>({ label, columns, rows, rowId, narrow, menu, rowName, view, onView }: TableProps<Row>) {
  const { body, first, last, before_px, after_px } = useVisibleRows(rows?.length ?? 0);
  const shared_menu = useSharedMenu<Row>();
  return (
    <div className="rounded-lg border border-line bg-surface">
      <table
        aria-label={label}
        aria-busy={rows === undefined || undefined}
        aria-rowcount={rows ? rows.length + 1 : undefined}
        className="w-full table-fixed border-separate border-spacing-0 text-left"
      >
        <thead className="sticky top-12 z-10">
          <tr aria-rowindex={1}>
            {columns.map((column) => (
              <HeadCell key={column.id} column={column} view={view} onView={onView} />
            ))}
            {menu && (
              <th scope="col" className="w-12 rounded-tr-lg border-b border-line bg-sunken">
                <span className="sr-only">Actions</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody ref={body}>
          {rows === undefined && <SkeletonRows columns={columns} menu={menu !== undefined} />}
          {before_px > 0 && <Spacer height_px={before_px} />}
          {rows?.slice(first, last).map((row, index) => (
            <BodyRow
              key={rowId(row)}
              row={row}
              index={first + index}
              columns={columns}
              narrow={narrow}
              shared_menu={menu && shared_menu}
              name={rowName?.(row) ?? String(rowId(row))}
            />
          ))}
          {after_px > 0 && <Spacer height_px={after_px} />}
        </tbody>
      </table>
      {menu && <SharedMenuPopup menu={shared_menu} items={menu} />}
    </div>
  );
}

interface BodyRowProps<Row> {
  readonly row: Row;
  /** Among all rows, from 0. */
  readonly index: number;
  readonly columns: readonly Column<Row>[];
  readonly narrow: ((row: Row) => ReactNode) | undefined;
  readonly shared_menu: SharedMenu<Row> | undefined;
  readonly name: string;
}

/** Kept as it is while the table scrolls: only rows that come into the window are worked on. */
const BodyRow = memo(function BodyRow<Row>({ row, index, columns, narrow, shared_menu, name }: BodyRowProps<Row>) {
  return (
    <tr aria-rowindex={index + 2} className="group h-10 hover:bg-sunken max-sm:h-14 [&:last-child>*]:border-b-0">
      {columns.map((column, position) => (
        <BodyCell key={column.id} column={column} heads_row={position === 0}>
          {column.cell(row)}
          {position === 0 && narrow && (
            <div className="truncate text-13 font-normal text-muted sm:hidden">{narrow(row)}</div>
          )}
        </BodyCell>
      ))}
      {shared_menu && (
        <td className="border-b border-line pr-2 text-right">
          <SharedMenuTrigger
            menu={shared_menu}
            subject={row}
            trigger={
              <button type="button" aria-label={`Actions for ${name}`} className={ICON_BUTTON}>
                <Ellipsis aria-hidden />
              </button>
            }
          />
        </td>
      )}
    </tr>
  );
}) as <Row>(props: BodyRowProps<Row>) => ReactNode;

/**
 * Stands for the rows above or below the window, so that the scroll bar tells the truth. One cell is enough,
 * and one that spanned them all would bring back the columns that a narrow screen hides.
 */
function Spacer({ height_px }: { readonly height_px: number }) {
  return (
    <tr aria-hidden>
      <td style={{ height: height_px }} />
    </tr>
  );
}

interface HeadCellProps<Row> {
  readonly column: Column<Row>;
  readonly view: TableView;
  readonly onView: (view: TableView) => void;
}

function HeadCell<Row>({ column, view, onView }: HeadCellProps<Row>) {
  const { id, header, value, align, from, width } = column;
  const sorted = view.sort?.column === id ? view.sort : undefined;
  // Ascending, descending, and then the server's own order again.
  const next = !sorted
    ? { column: id, descending: false }
    : sorted.descending
      ? undefined
      : { column: id, descending: true };
  const Arrow = sorted?.descending ? ArrowDown : ArrowUp;
  return (
    <th
      scope="col"
      aria-sort={sorted ? (sorted.descending ? "descending" : "ascending") : undefined}
      className={classes(
        "h-9 border-b border-line bg-sunken px-3 text-13 font-medium text-muted first:rounded-tl-lg last:rounded-tr-lg",
        align === "right" && "text-right",
        from && HIDDEN[from],
        width,
      )}
    >
      {value ? (
        <button
          type="button"
          onClick={() => onView({ ...view, sort: next })}
          className={classes(
            "group/sort -mx-1.5 inline-flex h-7 items-center gap-1 rounded-md px-1.5 hover:bg-pressed hover:text-text",
            // The word stays above the figures, and the arrow gets out of the way.
            align === "right" && "flex-row-reverse",
            sorted && "text-text",
          )}
        >
          {header}
          <Arrow
            aria-hidden
            className={classes(
              "size-3.5",
              !sorted && "opacity-0 group-hover/sort:opacity-60 group-focus-visible/sort:opacity-60",
            )}
          />
        </button>
      ) : (
        header
      )}
    </th>
  );
}

interface BodyCellProps<Row> {
  readonly column: Column<Row>;
  /** The first cell names its row. */
  readonly heads_row: boolean;
  readonly children: ReactNode;
}

function BodyCell<Row>({ column: { align, from }, heads_row, children }: BodyCellProps<Row>) {
  const Cell = heads_row ? "th" : "td";
  return (
    <Cell
      scope={heads_row ? "row" : undefined}
      className={classes(
        "border-b border-line px-3 py-1",
        // Tabular figures widen hyphens too, which names have.
        heads_row ? "font-medium" : "truncate tabular-nums",
        align === "right" && "text-right",
        from && HIDDEN[from],
      )}
    >
      {heads_row ? <div className="flex min-w-0 flex-col [&>*]:truncate">{children}</div> : children}
    </Cell>
  );
}

/** The table's own shape while its rows are on the way. */
function SkeletonRows<Row>({ columns, menu }: { readonly columns: readonly Column<Row>[]; readonly menu: boolean }) {
  const id = useId();
  return SKELETON_ROWS.map((row, index) => (
    <tr key={`${id}-${row}`} className="h-10 max-sm:h-14 [&:last-child>*]:border-b-0">
      {columns.map((column, position) => (
        <td key={column.id} className={classes("border-b border-line px-3", column.from && HIDDEN[column.from])}>
          <div
            className={classes(
              "skeleton h-3.5",
              column.align === "right" && "ml-auto",
              ["w-3/4", "w-1/2", "w-2/3"][(index + position) % 3],
            )}
          />
        </td>
      ))}
      {menu && <td className="border-b border-line" />}
    </tr>
  ));
}
