import { ChangePasswordForm } from "../../components/ChangePasswordForm.tsx";
import { usePerson } from "../../components/present.ts";
import { Mono } from "../../ui/Code.tsx";
import { CopyButton } from "../../ui/CopyButton.tsx";
import { Fact, Facts, Page, Section } from "../../ui/Page.tsx";
import { Tag } from "../../ui/State.tsx";

/** Who is signed in. Of this the API of this release changes the password alone. */
export function ProfilePage() {
  const person = usePerson();
  if (!person) return null;
  return (
    <Page title="Profile">
      <Facts>
        <Fact name="Name">
          {person.name} {person.instance_admin && <Tag>instance administrator</Tag>}
        </Fact>
        <Fact name="E-mail">{person.email}</Fact>
        <Fact name="Person id">
          <span className="inline-flex items-center gap-1">
            <Mono className="break-all">{person.id}</Mono>
            <CopyButton text={person.id} what="person id" />
          </span>
        </Fact>
      </Facts>
      <Section
        title="Password"
        description="Changing it ends your other sessions and the logins of your command lines. API keys go on working."
      >
        <ChangePasswordForm />
      </Section>
    </Page>
  );
}
