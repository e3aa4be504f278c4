import { printable, widthOf } from "./terminal/printable.ts";

/** Results, on stdout: a table for people, JSON or YAML for programs. */
export type Format = "table" | "json" | "yaml";

/** One part of a result. Programs get `data` as it came; people get the listed fields of it. */
export interface Part {
  readonly data: unknown;
  readonly fields: readonly string[];
  /** Heads the part in a table and names it in JSON; needed when there are several parts. */
  readonly title?: string;
  /** What a person is told when there is nothing to list. */
  readonly empty?: string;
}

/** Neon's CLI prints a lone part bare, and several in one object under their titles; scripts know these shapes. */
export function structured(parts: readonly Part[]): unknown {
  if (parts.length === 1) return parts[0]?.data;
  return Object.fromEntries(parts.map(({ title, data }) => [(title ?? "").toLowerCase().replaceAll(" ", "_"), data]));
}

export async function render(parts: readonly Part[], format: Format, colored: boolean): Promise<string> {
  switch (format) {
    case "json":
      return `${JSON.stringify(structured(parts) ?? null, null, 2)}\n`;
    case "yaml": {
      const { stringify } = await import("yaml");
      return stringify(structured(parts) ?? null);
    }
    case "table":
      return parts.map((part) => renderPart(part, colored, parts.length > 1)).join("\n");
  }
}

function renderPart(part: Part, colored: boolean, titled: boolean): string {
  const bold = (text: string) => (colored ? `\u001b[1m${text}\u001b[22m` : text);
  const title = titled && part.title ? `${bold(part.title)}\n` : "";
  if (Array.isArray(part.data)) {
    if (part.data.length === 0) return `${title}${part.empty ?? "Nothing to list."}\n`;
    return title + renderTable(part.data, part.fields, bold);
  }
  const record = part.data as object;
  const shown = part.fields.filter((field) => cell(record, field) !== "");
  const width = Math.max(...shown.map((field) => field.length));
  const lines = shown.map((field) => `${bold(headingOf(field).padEnd(width))}  ${cell(record, field)}\n`);
  return title + lines.join("");
}

function renderTable(rows: readonly object[], fields: readonly string[], bold: (text: string) => string): string {
  // A column without a single value says nothing.
  const shown = fields.filter((field) => rows.some((row) => cell(row, field) !== ""));
  const cells = rows.map((row) => shown.map((field) => cell(row, field)));
  const widths = shown.map((field, column) =>
    Math.max(headingOf(field).length, ...cells.map((line) => widthOf(line[column] ?? ""))),
  );
  const join = (line: readonly string[]) =>
    line
      .map((text, column) => text + " ".repeat((widths[column] ?? 0) - widthOf(text)))
      .join("  ")
      .trimEnd();
  return `${bold(join(shown.map(headingOf)))}\n${cells.map((line) => `${join(line)}\n`).join("")}`;
}

/** `last_used_at` reads `Last used at`. */
function headingOf(field: string): string {
  const words = (field.split(".").pop() ?? field)
    .replaceAll("_", " ")
    .replace(/\bid$/, "ID")
    .replace(/\buri$/, "URI");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The text of a field; a dot leads into an object: `created_by.name`. */
function cell(record: object, field: string): string {
  let value: unknown = record;
  for (const name of field.split(".")) value = (value as Record<string, unknown> | null | undefined)?.[name];
  if (value === undefined || value === null) return "";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return printable(text).replaceAll(/[\t\n]/g, " ");
}
