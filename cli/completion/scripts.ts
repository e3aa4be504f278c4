/**
 * The scripts that shells load. They know no command themselves: they ask `latchkey __complete`, with the
 * index of the word under the cursor and all words, and get lines of a candidate, a tab, and what it is.
 * zsh and fish quote by themselves what they insert.
 */
export const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

export function shellOf(word: string): Shell | undefined {
  return SHELLS.find((shell) => shell === word);
}

export const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# latchkey completion for bash
_latchkey() {
  local candidate
  COMPREPLY=()
  while IFS=$'\\t' read -r candidate _; do
    # bash inserts it as it is, and what somebody has named a branch may be a command.
    printf -v candidate %q "$candidate"
    COMPREPLY+=("$candidate")
  done < <(latchkey __complete "$COMP_CWORD" "\${COMP_WORDS[@]//\\\\/}" 2>/dev/null)
}
complete -o default -F _latchkey latchkey
`,
  zsh: `# latchkey completion for zsh
_latchkey() {
  local -a candidates
  local candidate description
  while IFS=$'\\t' read -r candidate description; do
    candidates+=("\${candidate//:/\\\\:}:$description")
  done < <(latchkey __complete "$((CURRENT - 1))" "\${words[@]}" 2>/dev/null)
  if (( \${#candidates} )); then _describe latchkey candidates; else _files; fi
}
compdef _latchkey latchkey
`,
  fish: `# latchkey completion for fish
function __latchkey_complete
    set -l words (commandline -opc) (commandline -ct)
    latchkey __complete (math (count $words) - 1) $words 2>/dev/null
end
complete -c latchkey -f -a '(__latchkey_complete)'
complete -c latchkey -l context-file -r -F
complete -c latchkey -l config-dir -r -F
`,
};
