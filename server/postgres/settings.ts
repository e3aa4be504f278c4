/** Values for `postgresql.conf`, by name. */
export type Settings = Readonly<Record<string, string | number | boolean>>;

/** Writes a `postgresql.conf`. A value is always text to PostgreSQL: quoted, it can neither end the line nor include a file. */
export function renderSettings(settings: Settings): string {
  const lines = Object.entries(settings).map(([name, value]) => {
    if (!/^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$/.test(name)) throw new TypeError(`not a setting's name: ${name}`);
    return `${name} = ${quote(typeof value === "boolean" ? (value ? "on" : "off") : String(value))}`;
  });
  return `# Written by Latchkey at each start; changes made here are lost.\n${lines.join("\n")}\n`;
}

function quote(value: string): string {
  if (value.includes("\0")) throw new TypeError("a setting cannot hold a NUL");
  const escaped = value.replaceAll("\\", "\\\\").replaceAll("'", "''").replaceAll("\n", "\\n").replaceAll("\r", "\\r");
  return `'${escaped}'`;
}
