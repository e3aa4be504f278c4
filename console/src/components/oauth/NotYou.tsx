import { TEXT_LINK } from "../../layouts/Visitor.tsx";
import { usePerson } from "../present.ts";
import { signOutFromMenu } from "../sign-out.ts";

/** Signs out and comes back to this page as somebody else. */
export function NotYou() {
  const person = usePerson();
  return (
    <>
      Signed in as {person?.email ?? "…"}.{" "}
      <button
        type="button"
        className={TEXT_LINK}
        onClick={() => signOutFromMenu(window.location.pathname + window.location.search)}
      >
        Sign in as somebody else
      </button>
    </>
  );
}
