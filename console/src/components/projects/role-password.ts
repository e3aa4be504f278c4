import { getProjectBranchRolePassword } from "@latchkey/contract/roles.ts";
import { useState } from "react";
import { api } from "../../api/client.ts";
import { useForgottenOnLeaving } from "../../ui/forgotten-on-leaving.ts";

export interface RolePath {
  readonly project_id: string;
  readonly branch_id: string;
  readonly role_name: string;
}

/**
 * A role's password, fetched when it is asked for. What is shown is in the state of the component that shows it
 * and nowhere else: it goes through no cache, and is out of the page before a browser keeps that for its back button.
 */
export function useRolePassword(params: RolePath) {
  const [password, setPassword] = useState<string>();
  const [error, setError] = useState<unknown>();
  useForgottenOnLeaving(() => setPassword(undefined));
  const reveal = async () => {
    setError(undefined);
    try {
      return (await api.call(getProjectBranchRolePassword, { params })).password;
    } catch (cause) {
      setError(cause);
      throw cause;
    }
  };
  const toggle = async () => {
    if (password !== undefined) return setPassword(undefined);
    // Why it did not come is in `error`.
    await reveal().then(setPassword, () => undefined);
  };
  return { password, error, reveal, toggle };
}
