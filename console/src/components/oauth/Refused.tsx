import { Visitor } from "../../layouts/Visitor.tsx";

/** Only texts of ours: what stands in an address may be anybody's. */
const REASONS: Readonly<Record<string, string>> = {
  client: "The program that sent you here is not known to this server.",
  redirect: "The program that sent you here wants the answer at an address that is not its own.",
  request: "The program that sent you here asked in a way that this server does not take, or the link is incomplete.",
};

/** A request to sign a command line in that cannot be shown for consent. */
export function Refused({ reason }: { readonly reason: string }) {
  return (
    <Visitor title="This sign-in cannot go on">
      <p>{Object.hasOwn(REASONS, reason) ? REASONS[reason] : REASONS.request}</p>
      <p className="text-muted">
        Nothing was let in. Start again in your terminal. If it stays like this, update the program there: the Neon CLI
        and the Latchkey CLI can sign in here.
      </p>
    </Visitor>
  );
}
