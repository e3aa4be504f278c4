/** Searching and sorting of rows in the browser. Pure, and quick enough for ten thousand rows at each key press. */

export interface Sort {
  readonly column: string;
  readonly descending: boolean;
}

export interface RowReader<Row> {
  readonly id: string;
  /** What the column is sorted by; undefined comes last in either direction. */
  readonly value?: (row: Row) => string | number | undefined;
  /** What a search looks at. */
  readonly search?: (row: Row) => string;
}

/** Rows that hold every word of the search, in any column and any case. */
export function searchRows<Row>(
  rows: readonly Row[],
  readers: readonly RowReader<Row>[],
  search: string,
): readonly Row[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return rows;
  const searched = readers.flatMap((reader) => reader.search ?? []);
  return rows.filter((row) => {
    const text = searched
      .map((read) => read(row))
      .join("\n")
      .toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

const COLLATOR = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** Sorted by one column; stable, so that the order the server gave decides between equals. */
export function sortRows<Row>(
  rows: readonly Row[],
  readers: readonly RowReader<Row>[],
  sort: Sort | undefined,
): readonly Row[] {
  const read = readers.find(({ id }) => id === sort?.column)?.value;
  if (!sort || !read) return rows;
  const sign = sort.descending ? -1 : 1;
  return rows
    .map((row) => [read(row), row] as const)
    .sort(([a], [b]) => {
      if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
      return sign * (typeof a === "number" && typeof b === "number" ? a - b : COLLATOR.compare(String(a), String(b)));
    })
    .map(([, row]) => row);
}
