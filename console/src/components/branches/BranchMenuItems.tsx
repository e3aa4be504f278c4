import { MenuItem, MenuSeparator } from "../../ui/Menu.tsx";
import type { BranchNode } from "./branch-tree.ts";

/** What can be asked to be done with a branch. */
export type BranchTask = "branch" | "rename" | "expiry" | "default" | "protect" | "unprotect" | "reset" | "delete";

interface BranchMenuItemsProps {
  readonly node: BranchNode;
  readonly onAsk: (task: BranchTask, node: BranchNode) => void;
}

/** The items of a branch's menu. What the API would refuse by the branch's state is disabled and says why. */
export function BranchMenuItems({ node, onAsk }: BranchMenuItemsProps) {
  const { branch, has_children } = node;
  const ask = (task: BranchTask) => () => onAsk(task, node);
  const ready = branch.current_state === "ready" ? undefined : "Its data is not there yet.";
  const kept = branch.protected ? "It is protected. End its protection first." : undefined;
  return (
    <>
      <MenuItem onClick={ask("branch")} disabled_reason={ready}>
        Create branch from it…
      </MenuItem>
      <MenuItem onClick={ask("rename")}>Rename…</MenuItem>
      {!branch.default && (
        <MenuItem
          onClick={ask("default")}
          disabled_reason={branch.expires_at === undefined ? undefined : "It expires. Let it stay first."}
        >
          Make it the default…
        </MenuItem>
      )}
      {branch.protected ? (
        <MenuItem onClick={ask("unprotect")}>End protection…</MenuItem>
      ) : (
        <MenuItem
          onClick={ask("protect")}
          disabled_reason={branch.expires_at === undefined ? undefined : "It expires. Let it stay first."}
        >
          Protect…
        </MenuItem>
      )}
      <MenuItem
        onClick={ask("expiry")}
        disabled_reason={
          branch.default
            ? "The default branch cannot expire."
            : (kept ?? (has_children ? "Other branches come from it." : undefined))
        }
      >
        Set expiry…
      </MenuItem>
      <MenuItem onClick={ask("reset")} disabled_reason={ready ?? kept}>
        Reset…
      </MenuItem>
      <MenuSeparator />
      <MenuItem
        danger
        onClick={ask("delete")}
        disabled_reason={
          branch.default
            ? "It is the default branch. Make another one the default first."
            : (kept ?? (has_children ? "Other branches come from it. Delete them first." : undefined))
        }
      >
        Delete…
      </MenuItem>
    </>
  );
}
