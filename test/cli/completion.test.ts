import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { waitFor } from "../harness/server.ts";
import { useBuiltCli } from "./built-cli.ts";
import { serveStub } from "./stub-server.ts";

const built = useBuiltCli();

/** What bash offers at the end of a line, as it would at the press of Tab. */
async function offered(line: string): Promise<string[]> {
  const script = `
    source <(latchkey completion bash)
    line=${JSON.stringify(line)}
    # As readline cuts a line into words: "=" and ":" are words of their own.
    read -ra COMP_WORDS <<< "\${line//=/ = }"
    [[ $line == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 ))
    _latchkey
    complete -p latchkey >&2
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { code, stdout, stderr } = await built.cli.bash(script);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /complete -o default -F _latchkey latchkey/);
  return stdout.split("\n").filter((word) => word !== "");
}

test("bash completes topics, commands, options and values", async () => {
  assert.deepEqual(await offered("latchkey pro"), ["profile", "projects"]);
  assert.deepEqual(await offered("latchkey api-keys "), ["list", "create", "revoke", "rotate"]);
  assert.deepEqual(await offered("latchkey api-keys create --n"), ["--name", "--no-wait", "--no-color"]);
  assert.deepEqual(await offered("latchkey me -o "), ["table", "json", "yaml"]);
  assert.deepEqual(await offered("latchkey me --output=y"), ["yaml"]);
});

test("bash gets names of others as one word, and none that is more than a line", async (t) => {
  const names = ["a b;touch x", "a $(touch y)", "plain", "two\nlines", "tab\tbed", "\u202eright"];
  const { env } = await serveStub(t, ({ path }) => {
    const branches = names.map((name, i) => ({ id: `br-${i}`, name, default: i === 3 }));
    if (path.endsWith("/branches")) return [200, { branches }];
    return path.endsWith("/roles") ? [200, { roles: [{ name: "app" }] }] : undefined;
  });
  const script = (words: string[]) => `
    source <(latchkey completion bash)
    COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")})
    COMP_CWORD=${words.length - 1}
    _latchkey
    # As the line would be read once a candidate stands in it.
    for candidate in "\${COMPREPLY[@]}"; do eval "words=($candidate)"; printf '%s|' "\${words[@]}"; echo; done
    ls -A`;
  const cwd = await mkdtemp(join(tmpdir(), "latchkey-completion-"));
  t.after(() => rm(cwd, { recursive: true }));
  const roles = ["latchkey", "roles", "list", "--project-id", "p"];
  // A server on a busy machine may not answer before a person would rather type: then there is nothing.
  const something = async (ask: () => Promise<{ readonly stdout: string }>) => {
    let offered = "";
    await waitFor("something to be offered", async () => {
      offered = (await ask()).stdout;
      return offered !== "";
    });
    return offered;
  };
  const offers = (...words: string[]) => something(() => built.cli.bash(script([...roles, ...words]), { env, cwd }));
  assert.equal(await offers("--branch", ""), "a b;touch x|\na $(touch y)|\nplain|\n");
  assert.equal(await offers("--branch", "a\\ b\\;t"), "a b;touch x|\n", "one that is half there goes on");
  // Of the branch that has two lines; what it says of a candidate is one.
  const words = ["__complete", "5", "latchkey", "roles", "get", "--project-id", "p", ""];
  assert.equal(await something(() => built.cli.run(words, { env, cwd })), "app\ttwo lines\n");
});

for (const shell of ["bash", "zsh", "fish"]) {
  const is_there = spawnSync(shell, ["--version"], { stdio: "ignore" }).error === undefined;
  test(`the script for ${shell} ${is_there ? `is taken by ${shell}` : `is printed (${shell} is not on this machine)`}`, async () => {
    const { code, stdout } = await built.cli.run(["completion", shell]);
    assert.equal(code, 0);
    assert.match(stdout, /__complete/);
    if (!is_there) return;
    const check = spawnSync(shell, ["-n"], { input: stdout, encoding: "utf8" });
    assert.deepEqual([check.status, check.stderr], [0, ""]);
  });
}

test("the shell is known from the environment, and another is told of", async () => {
  const { stdout } = await built.cli.run(["completion"], { env: { SHELL: "/usr/bin/fish" } });
  assert.match(stdout, /completion for fish/);
  const other = await built.cli.run(["completion", "tcsh"]);
  assert.equal(other.code, 2);
  assert.match(other.stderr, /bash, zsh, fish/);
});

test("completion says nothing when the server cannot be asked", async () => {
  const env = { NEON_API_KEY: `lk_user_${"a".repeat(49)}`, LATCHKEY_URL: "http://127.0.0.1:9" };
  const words = ["__complete", "4", "latchkey", "branches", "list", "--project-id", ""];
  assert.deepEqual(await built.cli.run(words, { env }), { code: 0, stdout: "", stderr: "" });
});
