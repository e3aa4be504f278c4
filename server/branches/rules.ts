import type { Branch, restoreProjectBranch } from "@latchkey/contract/branches.ts";
import type { BodyOf } from "@latchkey/contract/route.ts";
import type { ProjectAccess } from "../access/handles.ts";
import { listBranchEndpoints } from "../endpoints/store.ts";
import { ApiError } from "../errors.ts";
import { newBranchId } from "../ids.ts";
import { holdBranch, insertOperations, lockProject, type NewOperation, shareBranch } from "../operations/store.ts";
import {
  type BranchChange,
  getBranch,
  hasChildren,
  insertBackup,
  isInFuture,
  isNeeded,
  markBranchDeleted,
  markResetting,
  setDefaultBranch,
  updateBranch,
} from "./store.ts";

const refuse = (message: string) => new ApiError("unprocessable", message);

/** Throws unless a branch may have this time to live: what people rely on does not end by itself. */
export async function checkExpiry(
  access: ProjectAccess,
  branch: { readonly expires_at: string | null; readonly protected: boolean; readonly is_default: boolean },
): Promise<void> {
  if (branch.expires_at === null) return;
  if (branch.is_default) throw refuse("the default branch cannot expire");
  if (branch.protected) throw refuse("a protected branch cannot expire");
  if (!(await isInFuture(access, branch.expires_at))) {
    throw new ApiError("bad_request", '"expires_at" must be in the future');
  }
}

/** Names and terms are the control plane's alone, so work in progress is no reason to refuse them. */
export async function changeBranch(access: ProjectAccess, branch_id: string, change: BranchChange): Promise<Branch> {
  const branch = await getBranch(access, branch_id);
  const isProtected = change.protected ?? branch.protected;
  if (change.expires_at !== undefined && change.expires_at !== null) {
    if (await hasChildren(access, branch_id)) throw refuse("a branch with children cannot expire");
  }
  const changed = change.expires_at === undefined ? change.protected === true : true;
  const expires_at = change.expires_at === undefined ? (branch.expires_at ?? null) : change.expires_at;
  if (changed) await checkExpiry(access, { expires_at, protected: isProtected, is_default: branch.default });
  return await updateBranch(access, branch_id, change);
}

/** Records the deletion of a branch with everything that is its own. */
export async function deleteBranch(access: ProjectAccess, branch_id: string) {
  await holdBranch(access, branch_id);
  const branch = await getBranch(access, branch_id);
  if (branch.default) throw refuse("the default branch cannot be deleted; make another one the default first");
  if (branch.protected) throw refuse("a protected branch cannot be deleted; end its protection first");
  if (await hasChildren(access, branch_id)) throw refuse("a branch with children cannot be deleted; delete them first");
  if (await isNeeded(access.tx, branch_id)) throw new ApiError("locked");
  const operations = await insertOperations(access, [{ action: "delete_timeline", branch_id }]);
  await markBranchDeleted(access, branch_id);
  return { branch, operations };
}

/** Makes a branch the one that is meant where none is named. It cannot be one that will end by itself. */
export async function makeDefault(access: ProjectAccess, branch_id: string): Promise<Branch> {
  // Of two at once the later one wins.
  await lockProject(access);
  await holdBranch(access, branch_id);
  const { expires_at } = await getBranch(access, branch_id);
  if (expires_at !== undefined) throw refuse("a branch that expires cannot be the default one");
  return await setDefaultBranch(access, branch_id);
}

/** Records that a branch is to get the data of another one, and what becomes of its own. */
export async function restoreBranch(
  access: ProjectAccess,
  branch_id: string,
  { source_branch_id: source_id, preserve_under_name: preserve = "" }: BodyOf<typeof restoreProjectBranch>,
) {
  const preserve_under_name = preserve === "" ? undefined : preserve;
  await holdBranch(access, branch_id);
  const branch = await getBranch(access, branch_id);
  if (branch.current_state !== "ready") throw refuse("the branch has no data yet");
  if (branch.protected) throw refuse("a protected branch cannot be restored; end its protection first");
  if (source_id === branch_id) {
    throw refuse("a branch restored from itself needs a moment of its past, which is not available here");
  }
  if (preserve_under_name === undefined && (await hasChildren(access, branch_id))) {
    throw refuse('the branch has children: name a branch in "preserve_under_name" that will be their parent');
  }
  if (await isNeeded(access.tx, branch_id)) throw new ApiError("locked");
  await shareBranch(access, source_id);
  const backup = preserve_under_name === undefined ? undefined : { id: newBranchId(), name: preserve_under_name };
  if (backup) await insertBackup(access, branch_id, backup);
  const operations: NewOperation[] = [{ action: "create_timeline", branch_id }];
  for (const { id: endpoint_id } of await listBranchEndpoints(access, branch_id)) {
    operations.push({ action: "start_compute", branch_id, endpoint_id });
  }
  // Neon's CLI takes the parent of a branch that was restored with a backup for that backup, and shows it.
  const restored = await markResetting(access, branch_id, backup?.id ?? source_id, {
    source_id,
    storage_id: newBranchId(),
    backup_id: backup?.id ?? null,
    former_parent_id: branch.parent_id ?? null,
  });
  return { branch: restored, operations: await insertOperations(access, operations) };
}
