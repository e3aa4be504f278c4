import { useNavigate, useSearch } from "@tanstack/react-router";
import type { TableView } from "../ui/DataTable.tsx";

/** Keeps a table's search and sorting in the address, so that a link shows what its sender saw. */
export function useTableView(): readonly [TableView, (view: TableView) => void] {
  const { q, sort } = useSearch({ strict: false });
  const navigate = useNavigate();
  const view: TableView = {
    search: q ?? "",
    sort: sort === undefined ? undefined : { column: sort.replace(/^-/, ""), descending: sort.startsWith("-") },
  };
  const setView = ({ search, sort: next }: TableView) => {
    const order = next && (next.descending ? `-${next.column}` : next.column);
    void navigate({
      to: ".",
      search: { ...(search === "" ? {} : { q: search }), ...(order === undefined ? {} : { sort: order }) },
      // The back button leads to the page before, not through every letter typed.
      replace: true,
      resetScroll: false,
    });
  };
  return [view, setView];
}
