import { posix } from "node:path";

/** A source file as the rules of the architecture see it. */
export interface Source {
  /** From the root of the repository. */
  readonly path: string;
  readonly imports: readonly string[];
  /** The text with comments and the insides of strings left out. */
  readonly code: string;
  /** What stands in strings, and between the computed parts of templates. */
  readonly strings: readonly string[];
}

const TOKEN =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`|\$\{|[{}]|\/(?![/*>])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/[\\\n])+\/[dgimsuvy]*|[\s\S]/g;
/**
 * A slash after one of these begins a regular expression; after anything else it divides, or belongs to a tag of JSX:
 * `</` and `/>` begin none.
 */
const BEFORE_REGEXP = /(?:^|[=(,:;!&|?{}[+\-*%>~^]|\b(?:return|typeof|case|of|in|await|yield))\s*$/;

/** Reads a source without a parser: what it imports, and its code for patterns to be looked for in. */
export function scan(path: string, text: string): Source {
  const { code, strings } = strip(text);
  // After stripping, a string is its two quotes with its number between them.
  const specifiers = [
    ...code.matchAll(/\b(?:import|export)\b(?:[\s\w$*,{}]*?)\bfrom\s*"(\d+)"/g),
    ...code.matchAll(/\bimport\s*"(\d+)"/g),
    ...code.matchAll(/\brequire\s*\(\s*"(\d+)"/g),
    ...code.matchAll(/\bimport\s*\(\s*(?:"(\d+)"\s*[,)])?/g),
  ].map(([, number]) => (number === undefined ? "(computed)" : (strings[Number(number)] ?? "")));
  return { path, code, strings, imports: specifiers.map((specifier) => resolve(path, specifier)) };
}

function resolve(path: string, specifier: string): string {
  if (specifier.startsWith(".")) return posix.join(posix.dirname(path), specifier);
  const own = /^@latchkey\/([^/]+)\/(.+)$/.exec(specifier);
  if (own) return `${own[1]}/${own[2]}`;
  if (specifier.startsWith("node:") || specifier === "(computed)") return specifier;
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

/**
 * Leaves comments out and puts numbers in place of what strings hold. What stands in `${…}` is code and stays;
 * the text of a template goes.
 */
function strip(text: string): { code: string; strings: string[] } {
  const strings: string[] = [];
  /** What is open: "`" in a template's text, "${" in a template's code, "{" in a block. */
  const open: string[] = [];
  let template = "";
  let code = "";
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match; match = TOKEN.exec(text)) {
    const [token] = match;
    const inText = open.at(-1) === "`";
    if (inText) {
      // One character at a time: quotes and slashes mean nothing in a template's text.
      if (token === "`" || token === "${") {
        if (token === "`") open.pop();
        else open.push(token);
        code += token;
        strings.push(template);
        template = "";
      } else {
        TOKEN.lastIndex = match.index + (token.startsWith("\\") || text[match.index] === "\\" ? 2 : 1);
        template += text.slice(match.index, TOKEN.lastIndex);
        if (text[match.index] === "\n") code += "\n";
      }
      continue;
    }
    if (token.startsWith("//") || token.startsWith("/*")) {
      code += token.replace(/[^\n]/g, "");
    } else if (/^["'].+|^(""|'')$/s.test(token)) {
      code += `"${strings.push(token.slice(1, -1)) - 1}"`;
    } else if (token.length > 1 && token.startsWith("/")) {
      if (BEFORE_REGEXP.test(code)) code += "/./";
      else {
        code += "/";
        TOKEN.lastIndex = match.index + 1;
      }
    } else {
      if (token === "`" || token === "{" || token === "${") open.push(token);
      if (token === "}") open.pop();
      code += token;
    }
  }
  return { code, strings };
}
