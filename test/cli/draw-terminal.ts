import headless from "@xterm/headless";

/**
 * Draws what a terminal has shown as a picture that plays once: every line appears when it appeared, and what
 * is left at the end stays. Plain SVG with a few rules of CSS, no script and no font of its own, so that it
 * shows in a README.
 */
export interface Shown {
  /** Since the start. */
  readonly at_ms: number;
  readonly text: string;
}

export interface Drawing {
  readonly columns: number;
  readonly title: string;
  /** What must not be seen, made short. Asked for every line as it stands on the screen. */
  readonly shorten: (line: string) => string;
}

export interface Drawn {
  readonly moving: string;
  /** The end alone. Browsers do not tell a picture in a page that its reader wants no motion; the page can choose. */
  readonly still: string;
}

/** Text in a row of the screen, for as long as it stood there. */
interface Span {
  readonly row: number;
  readonly column: number;
  readonly text: string;
  readonly bold: boolean;
  readonly from_ms: number;
  until_ms: number | undefined;
}

/** A row as it looks: its text, and for every character of it whether that is bold. */
interface Line {
  readonly text: string;
  readonly weight: string;
}

/** More than any recording has: nothing scrolls away. */
const ROWS = 200;
/** Nobody wants to watch a pause. */
const LONGEST_PAUSE_MS = 1_200;
/** What follows this closely is one change to the eye, and one line in the file. */
const FRAME_MS = 60;

const FONT_PX = 13;
/** Of the fonts that are asked for; the length of every line is set by it. */
const COLUMN_PX = 7.8;
const ROW_PX = 19;
const MARGIN_PX = 18;
const BAR_PX = 34;

export async function drawTerminal(shown: readonly Shown[], drawing: Drawing): Promise<Drawn> {
  const { spans, transcript } = await readTerminal(shown, drawing);
  const rows = Math.max(...spans.filter(({ until_ms }) => until_ms === undefined).map(({ row }) => row)) + 1;
  const width = Math.ceil(drawing.columns * COLUMN_PX + 2 * MARGIN_PX);
  const height = BAR_PX + rows * ROW_PX + MARGIN_PX;
  const kept = spans.filter(({ row }) => row < rows);
  const title = escapeXml(drawing.title);
  const draw = (style: string, texts: readonly string[]) =>
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title">
<title id="title">${title}</title>
<desc>${escapeXml(transcript)}</desc>
<style>
text{font:${FONT_PX}px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#e6edf3;white-space:pre}
.bar{fill:#9198a1;text-anchor:middle}
.b{font-weight:bold}
${style}</style>
<rect x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="8" fill="#161b22" stroke="#3d444d"/>
<circle cx="20" cy="17" r="5.5" fill="#ff5f57"/><circle cx="38" cy="17" r="5.5" fill="#febc2e"/><circle cx="56" cy="17" r="5.5" fill="#28c840"/>
<text class="bar" x="${width / 2}" y="21">${title}</text>
${texts.join("\n")}
</svg>
`;
  const left = kept.filter(({ until_ms }) => until_ms === undefined);
  return {
    moving: draw(
      MOTION,
      kept.map((span) => drawSpan(span, true)),
    ),
    still: draw(
      "",
      left.map((span) => drawSpan(span, false)),
    ),
  };
}

const MOTION = `@keyframes show{from{visibility:hidden}to{visibility:visible}}
@keyframes stay{from,to{visibility:visible}}
.s{animation:show 1ms both}
.t{visibility:hidden;animation:stay 1ms}
@media (prefers-reduced-motion:reduce){.s,.t{animation:none}}
`;

function drawSpan({ row, column, text, bold, from_ms, until_ms }: Span, moves: boolean): string {
  const x = (MARGIN_PX + column * COLUMN_PX).toFixed(1);
  const y = BAR_PX + row * ROW_PX + FONT_PX;
  const kind = until_ms === undefined ? "s" : "t";
  const length = ([...text].length * COLUMN_PX).toFixed(1);
  const lasts = until_ms === undefined ? "" : `;animation-duration:${seconds(until_ms - from_ms)}`;
  const attributes = `class="${kind}${bold ? " b" : ""}" x="${x}" y="${y}" textLength="${length}"`;
  const style = moves ? ` style="animation-delay:${seconds(from_ms)}${lasts}"` : "";
  return `<text ${attributes}${style}>${escapeXml(text)}</text>`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)}s`;
}

/** Lets a terminal of its own show the text again, and notes what stood where from when to when. */
async function readTerminal(shown: readonly Shown[], { columns, shorten }: Drawing) {
  const terminal = new headless.Terminal({ cols: columns, rows: ROWS, allowProposedApi: true });
  const spans: Span[] = [];
  const lines: Line[] = Array.from({ length: ROWS }, () => ({ text: "", weight: "" }));
  let played_ms = 0;
  let last_ms = 0;
  for (const [index, { at_ms, text }] of shown.entries()) {
    played_ms += Math.min(at_ms - last_ms, LONGEST_PAUSE_MS);
    last_ms = at_ms;
    await new Promise<void>((done) => terminal.write(text, done));
    const next = shown[index + 1];
    if (next && next.at_ms - at_ms < FRAME_MS && index % 4 !== 0) continue;
    for (const [row, before] of lines.entries()) {
      const line = readLine(terminal, row, shorten);
      if (line.text === before.text && line.weight === before.weight) continue;
      // What only grows, as typing does, stays as it is and gets an end.
      const grows = line.text.startsWith(before.text) && line.weight.startsWith(before.weight);
      if (!grows) for (const span of spans) if (span.row === row) span.until_ms ??= played_ms;
      spans.push(...runsOf(line, row, grows ? before.text.length : 0, played_ms));
      lines[row] = line;
    }
  }
  terminal.dispose();
  const transcript = lines.map((line) => line.text).join("\n");
  return { spans, transcript: transcript.trim() };
}

/** What stands in a line from a column on, cut where its weight changes. */
function runsOf(line: Line, row: number, from: number, from_ms: number): Span[] {
  const runs: Span[] = [];
  for (const { 0: weight, index } of line.weight.slice(from).matchAll(/b+|-+/g)) {
    const start = from + index;
    const text = line.text.slice(start, start + weight.length);
    const column = start + text.length - text.trimStart().length;
    if (text.trim() === "") continue;
    runs.push({ row, column, text: text.trim(), bold: weight.startsWith("b"), from_ms, until_ms: undefined });
  }
  return runs;
}

function readLine(terminal: InstanceType<typeof headless.Terminal>, row: number, shorten: Drawing["shorten"]): Line {
  const line = terminal.buffer.active.getLine(row);
  const text = shorten(line?.translateToString(true) ?? "");
  const isBold = (_: string, column: number) => (line?.getCell(column)?.isBold() ? "b" : "-");
  return { text, weight: Array.from(text, isBold).join("") };
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
