import type { Branch } from "@latchkey/contract/branches.ts";
import type { Endpoint } from "@latchkey/contract/endpoints.ts";

/** A branch with its place among the others. */
export interface BranchNode {
  readonly branch: Branch;
  readonly parent: Branch | undefined;
  /** 0 for a root. */
  readonly depth: number;
  readonly has_children: boolean;
  /** Undefined where it has none, or where the computes are not known yet. */
  readonly endpoint: Endpoint | undefined;
}

/**
 * Parents before their children, siblings in the order in which they were made; the default branch's family
 * comes first. A branch whose parent is not in the list counts as a root.
 */
export function arrange(branches: readonly Branch[], endpoints: readonly Endpoint[] = []): BranchNode[] {
  const by_id = new Map(branches.map((branch) => [branch.id, branch]));
  const computes = new Map(endpoints.map((endpoint) => [endpoint.branch_id, endpoint]));
  const families = Map.groupBy(branches, ({ parent_id = "" }) => (by_id.has(parent_id) ? parent_id : ""));
  const inOrder = (family: readonly Branch[] = []) =>
    family.toSorted((a, b) => Number(b.default) - Number(a.default) || compare(a.created_at, b.created_at));
  const nodes: BranchNode[] = [];
  // A stack, not recursion: a chain of branches may be longer than the call stack.
  const open = inOrder(families.get("")).reverse();
  const depths = new Map<string, number>();
  for (let branch = open.pop(); branch; branch = open.pop()) {
    const children = inOrder(families.get(branch.id));
    const parent = by_id.get(branch.parent_id ?? "");
    const depth = parent === undefined ? 0 : (depths.get(parent.id) ?? 0) + 1;
    depths.set(branch.id, depth);
    nodes.push({ branch, parent, depth, has_children: children.length > 0, endpoint: computes.get(branch.id) });
    open.push(...children.reverse());
  }
  return nodes;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
