import { ApiError } from "./errors.ts";

/**
 * The cursors of lists: opaque to clients, and for us the position of the last item shown. A position and
 * not a count, so that a list neither repeats nor skips when items come and go between two pages.
 */
export function encodeCursor(position: readonly string[]): string {
  return Buffer.from(JSON.stringify(position)).toString("base64url");
}

/** The position in a cursor that has so many parts. What a part means is for the query to check. */
export function parseCursor(cursor: string, parts: number): string[] {
  const position = parseJson(Buffer.from(cursor, "base64url").toString("utf8"));
  const whole = Array.isArray(position) && position.length === parts && position.every((p) => typeof p === "string");
  if (!whole) throw new ApiError("bad_request", "the cursor is not one that this list gave");
  return position;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
