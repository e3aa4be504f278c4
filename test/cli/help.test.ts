import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { TOPICS } from "../../cli/topics.ts";
import { useBuiltCli } from "./built-cli.ts";

const GOLDEN = join(import.meta.dirname, "help.txt");
const built = useBuiltCli();

/** Every way to ask for help: the command's own, each topic's, each command's. */
async function helpLines(): Promise<string[][]> {
  const lines: string[][] = [[]];
  for (const { name, load } of TOPICS) {
    lines.push([name]);
    for (const command of (await load()).default.commands ?? []) lines.push([name, command.name]);
  }
  return lines;
}

test("the help of every command is as written down, on stdout, and is no failure", async () => {
  const lines = await helpLines();
  const texts: string[] = [];
  // A few at once: each is a process.
  for (let at = 0; at < lines.length; at += 6) {
    const shown = lines.slice(at, at + 6).map(async (words) => {
      const { code, stdout, stderr } = await built.cli.run([...words, "--help"]);
      assert.deepEqual([code, stderr], [0, ""], words.join(" "));
      return `$ latchkey ${[...words, "--help"].join(" ")}\n${stdout}`;
    });
    texts.push(...(await Promise.all(shown)));
  }
  const printed = `# Written by \`UPDATE_GOLDEN=1 npm test -- cli/help\`; read the difference before you commit it.\n\n${texts.join("\n")}`;
  if (process.env.UPDATE_GOLDEN === "1") await writeFile(GOLDEN, printed);
  assert.equal(
    printed,
    await readFile(GOLDEN, "utf8"),
    "a help text has changed; if that is meant, see the file's head",
  );
});

test("no word at all shows the help; the help of a topic is also under `help`", async () => {
  const { cli } = built;
  const whole = await cli.run(["--help"]);
  assert.equal((await cli.run([])).stdout, whole.stdout);
  assert.equal((await cli.run(["help", "api-keys"])).stdout, (await cli.run(["api-keys", "--help"])).stdout);
  assert.equal((await cli.run(["api-key", "--help"])).code, 0);
});

test("the version is printed alone", async () => {
  const { version } = JSON.parse(await readFile(join(import.meta.dirname, "../../cli/package.json"), "utf8"));
  for (const word of ["--version", "-v"]) {
    assert.deepEqual(await built.cli.run([word]), { code: 0, stdout: `${version}\n`, stderr: "" });
  }
});

test("wrong usage ends with 2, says what is wrong and prints nothing on stdout", async () => {
  const cases: [string[], RegExp][] = [
    [["projcts"], /unknown command 'projcts'[\s\S]*Did you mean projects\?/],
    [["projects", "list", "--orgid", "x"], /unknown option '--orgid'[\s\S]*Did you mean --org-id\?/],
    [["api-keys", "create"], /required option '--name <name>'/],
    [["me", "-o", "xml"], /Allowed choices are table, json, yaml/],
    [["api-keys"], /Usage: latchkey api-keys/],
    [["api-keys", "list", "extra"], /too many arguments/],
    [["me", "--host", "nonsense"], /not a URL: nonsense/],
    [["me", "--api-key", "lk_user_x", "--profile", "p"], /exclude each other/],
    [["api", "GET", "https://elsewhere.example/x"], /a path is expected/],
    [["api", "GET", "/x", "-H", "authorization: Bearer x"], /--header does not take authorization/],
  ];
  for (const [words, message] of cases) {
    const { code, stdout, stderr } = await built.cli.run(words);
    assert.equal(code, 2, `${words.join(" ")}: ${stderr}`);
    assert.match(stderr, message);
    assert.equal(stdout, "", words.join(" "));
  }
});
