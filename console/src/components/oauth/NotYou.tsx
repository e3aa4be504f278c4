import { signOut } from "@latchkey/contract/sessions.ts";
import { api } from "../../api/client.ts";
import { TEXT_LINK } from "../../layouts/Visitor.tsx";
import { paths } from "../../paths.ts";
import { usePerson } from "../present.ts";

/** Signs out and comes back to this page as somebody else. */
export function NotYou() {
  const person = usePerson();
  const leave = async () => {
    await api.call(signOut);
    const here = window.location.pathname + window.location.search;
    window.location.replace(`${paths.signIn()}?next=${encodeURIComponent(here)}`);
  };
  return (
    <>
      Signed in as {person?.email ?? "…"}.{" "}
      <button type="button" className={TEXT_LINK} onClick={() => void leave()}>
        Sign in as somebody else
      </button>
    </>
  );
}
