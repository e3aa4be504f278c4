import { Notice } from "../../ui/Notice.tsx";
import { Fact, Facts } from "../../ui/Page.tsx";
import { usePerson } from "../present.ts";

interface LoginAskedProps {
  readonly client: { readonly id: string; readonly name: string };
  readonly offline: boolean;
  /** What else is known of the one who asks. */
  readonly facts: readonly (readonly [name: string, value: string])[];
}

/** Who asks, for whose account, and what approving it means. */
export function LoginAsked({ client, offline, facts }: LoginAskedProps) {
  const person = usePerson();
  return (
    <>
      <Facts>
        <Fact name="Your account">{person?.email ?? ""}</Fact>
        <Fact name="Who asks">
          {client.name} ({client.id})
        </Fact>
        {facts.map(([name, value]) => (
          <Fact key={name} name={name}>
            {value}
          </Fact>
        ))}
        <Fact name="It may do">everything that you may: your organizations and projects, and creating API keys</Fact>
        <Fact name="For how long">
          {offline ? "until you sign it out, or 30 days after its last use" : "for one hour"}
        </Fact>
      </Facts>
      <Notice kind="attention">
        Let it in only if you have just started a sign-in in your own terminal. Nobody from support ever asks you to.
      </Notice>
    </>
  );
}
