export interface DiffLine {
  readonly number: number;
  readonly kind: "added" | "removed" | "place" | "same";
  readonly text: string;
}

/** The lines of a unified diff of one file, without the two that name it. */
export function readDiff(diff: string): DiffLine[] {
  const lines = diff.replace(/\n$/, "").split("\n");
  const first = lines.findIndex((line) => line.startsWith("@@"));
  // Only from there on a sign means a change: SQL has comments that begin with two of them.
  return lines.slice(Math.max(0, first)).map((text, number) => ({ number, kind: kindOf(text), text }));
}

function kindOf(line: string): DiffLine["kind"] {
  if (line.startsWith("@@")) return "place";
  if (line.startsWith("+")) return "added";
  return line.startsWith("-") ? "removed" : "same";
}

export function countChanges(lines: readonly DiffLine[]): { added: number; removed: number } {
  const count = (kind: DiffLine["kind"]) => lines.filter((line) => line.kind === kind).length;
  return { added: count("added"), removed: count("removed") };
}
