import {
  type Branch,
  deleteProjectBranch,
  getProjectBranch,
  listProjectBranches,
  setDefaultProjectBranch,
  updateProjectBranch,
} from "@latchkey/contract/branches.ts";
import type { RefObject } from "react";
import { api } from "../../api/client.ts";
import { isGone } from "../../api/errors.ts";
import { listQuery, queries, refresh } from "../../api/queries.ts";
import { announce } from "../../ui/Toasts.tsx";
import { Confirm } from "../Confirm.tsx";
import { follow } from "../projects/operations.ts";
import { formatBytes } from "../projects/states.tsx";
import type { BranchTask } from "./BranchMenuItems.tsx";
import type { BranchNode } from "./branch-tree.ts";
import { BranchExpiryDialog, CreateBranchDialog, RenameBranchDialog, ResetBranchDialog } from "./late-dialogs.ts";

/** What has been asked to be done, and with which branch. */
export interface AskedTask {
  readonly task: BranchTask;
  readonly node: BranchNode;
}

interface BranchTasksProps {
  readonly project_id: string;
  /** Undefined: nothing has been asked. */
  readonly asked: AskedTask | undefined;
  readonly branches: readonly Branch[];
  readonly onClose: () => void;
  readonly onDeleted?: () => Promise<void>;
  readonly return_focus?: RefObject<HTMLElement | null>;
}

/** The dialogs and questions behind a branch's menu. */
export function BranchTasks(props: BranchTasksProps) {
  const { project_id, asked, branches, onClose, onDeleted, return_focus } = props;
  const about = (task: BranchTask) => (asked?.task === task ? asked.node : undefined);
  const { branch } = asked?.node ?? {};
  const settle = () => refresh(listProjectBranches, getProjectBranch);
  const protect = async ({ branch: { id: branch_id } }: BranchNode, wanted: boolean) => {
    await api.call(updateProjectBranch, {
      params: { project_id, branch_id },
      body: { branch: { protected: wanted } },
    });
    await settle();
  };
  return (
    <>
      {branch && asked?.task === "branch" && (
        <CreateBranchDialog
          onClose={onClose}
          project_id={project_id}
          branches={branches}
          parent_id={branch.id}
          return_focus={return_focus}
        />
      )}
      {branch && asked?.task === "rename" && <RenameBranchDialog onClose={onClose} branch={branch} />}
      {branch && asked?.task === "expiry" && <BranchExpiryDialog onClose={onClose} branch={branch} />}
      {asked?.task === "reset" && <ResetBranchDialog onClose={onClose} node={asked.node} branches={branches} />}
      <Confirm
        onClose={onClose}
        about={about("default")}
        title={(node) => `Make ${node.branch.name} the default branch?`}
        verb="Make it the default"
        kind="primary"
        onConfirm={async ({ branch: { id: branch_id, name } }) => {
          await api.call(setDefaultProjectBranch, { params: { project_id, branch_id } });
          await settle();
          announce(`${name} is the default branch now.`);
        }}
      >
        {() => (
          <p>
            It is the one that is meant where none is named: by new branches, by the overview, and by command lines. It
            cannot be deleted then. No connection string changes.
          </p>
        )}
      </Confirm>
      <Confirm
        onClose={onClose}
        about={about("protect")}
        title={(node) => `Protect ${node.branch.name}?`}
        verb="Protect branch"
        kind="primary"
        onConfirm={async (node) => {
          await protect(node, true);
          announce(`${node.branch.name} is protected.`);
        }}
      >
        {() => (
          <p>
            It cannot be deleted or reset then, nor its compute or the project deleted, until its protection is ended.
            Branches that are made of it get passwords of their own.
          </p>
        )}
      </Confirm>
      <Confirm
        onClose={onClose}
        about={about("unprotect")}
        title={(node) => `End the protection of ${node.branch.name}?`}
        verb="End protection"
        onConfirm={async (node) => {
          await protect(node, false);
          announce(`${node.branch.name} is not protected any more.`);
        }}
      >
        {() => <p>It can be reset and deleted then, by every member of the organization and every key.</p>}
      </Confirm>
      <Confirm
        onClose={onClose}
        about={about("delete")}
        title={(node) => `Delete ${node.branch.name}?`}
        verb="Delete branch"
        onConfirm={async ({ branch: { id: branch_id, name } }) => {
          try {
            const { operations } = await api.call(deleteProjectBranch, { params: { project_id, branch_id } });
            await onDeleted?.();
            await follow(project_id, operations);
          } catch (error) {
            if (!isGone(error)) throw error;
            // It may as well be the project that is gone, or the person's access to it; only a list without the branch tells.
            const left = await queries.fetchQuery({
              ...listQuery(listProjectBranches, { params: { project_id } }),
              staleTime: 0,
            });
            if (left.some(({ id }) => id === branch_id)) throw error;
            await onDeleted?.();
            await settle();
          }
          announce(`${name} is deleted.`);
        }}
      >
        {({ branch: { logical_size, name }, endpoint }) => (
          <>
            <p>
              Its data{logical_size === undefined ? "" : ` (${formatBytes(logical_size)})`}, roles and databases are
              deleted{endpoint === undefined ? "." : ", its compute stops answering, and connections to it end."}
            </p>
            <p>{name} cannot be recovered.</p>
          </>
        )}
      </Confirm>
    </>
  );
}
