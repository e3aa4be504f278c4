/** PostgreSQL's settings as a person writes them: one a line, `work_mem = 64MB`. */

export function writeSettings(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}`)
    .join("\n");
}

const LINE = /^\s*([A-Za-z_][\w.]*)\s*=\s*(.*?)\s*$/;

/** The settings that the lines name, or the first line that names none. */
export function readSettings(text: string): { settings: Record<string, string> } | { wrong_line: string } {
  const settings: Record<string, string> = {};
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const [, name, value] = LINE.exec(line) ?? [];
    if (name === undefined || !value) return { wrong_line: line.trim() };
    // Quoted as in `postgresql.conf`; the API wants the value alone.
    settings[name] = /^'.*'$/.test(value) ? value.slice(1, -1).replaceAll("''", "'") : value;
  }
  return { settings };
}
