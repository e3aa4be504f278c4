import { approveOAuthDeviceRequest, denyOAuthDeviceRequest, getOAuthDeviceRequest } from "@latchkey/contract/oauth.ts";
import type { ResponseOf } from "@latchkey/contract/route.ts";
import { useState } from "react";
import { api } from "../../api/client.ts";
import { hasStatus } from "../../api/errors.ts";
import { ApiForm, Submit } from "../../components/ApiForm.tsx";
import { LoginAsked } from "../../components/oauth/LoginAsked.tsx";
import { NotYou } from "../../components/oauth/NotYou.tsx";
import { describeUserAgent } from "../../components/user-agent.ts";
import { Visitor } from "../../layouts/Visitor.tsx";
import { FormRefusal } from "../../ui/Form.tsx";
import { TextField } from "../../ui/fields.tsx";

type DeviceRequest = ResponseOf<typeof getOAuthDeviceRequest>;

/** Where a machine without a browser sends its person: type the code that it shows, look, and decide. */
export function DevicePage() {
  const [asked, setAsked] = useState<DeviceRequest>();
  const [outcome, setOutcome] = useState<"approved" | "denied">();

  if (outcome !== undefined && asked !== undefined) {
    const { name } = asked.client;
    return (
      <Visitor title={outcome === "approved" ? `${name} is let in` : "Nothing was let in"}>
        <p role="status">
          {outcome === "approved"
            ? "The machine goes on by itself within a few seconds. You can close this window."
            : `${name} gets no access, and the machine is told. You can close this window.`}
        </p>
      </Visitor>
    );
  }
  if (asked === undefined) return <AskForCode onFound={setAsked} />;
  return <Decide asked={asked} onDecided={setOutcome} />;
}

function AskForCode({ onFound }: { readonly onFound: (asked: DeviceRequest) => void }) {
  const [given] = useState(() => new URLSearchParams(window.location.search).get("user_code") ?? "");
  return (
    <Visitor
      title="Sign in a machine"
      description="Type the code that your terminal shows. Go on only if you have started this yourself."
      footer={<NotYou />}
    >
      <ApiForm
        defaults={{ user_code: given.slice(0, 9) }}
        onSubmit={async ({ user_code }) => {
          onFound(await api.call(getOAuthDeviceRequest, { params: { user_code: user_code.trim() } }));
        }}
        refusal={(error) =>
          hasStatus(error, 404)
            ? {
                field: "user_code",
                message: "No machine waits under this code. It may have expired: begin again there.",
              }
            : undefined
        }
      >
        <TextField
          name="user_code"
          label="Code"
          placeholder="BCDF-GHJK"
          className="font-mono uppercase"
          autoCapitalize="characters"
          spellCheck={false}
          rules={{
            required: "Type the code that your terminal shows.",
            pattern: [/^\s*[A-Za-z]{4}-?[A-Za-z]{4}\s*$/, "A code is eight letters, such as BCDF-GHJK."],
          }}
        />
        <FormRefusal />
        <Submit className="w-full">Go on</Submit>
      </ApiForm>
    </Visitor>
  );
}

interface DecideProps {
  readonly asked: DeviceRequest;
  readonly onDecided: (outcome: "approved" | "denied") => void;
}

function Decide({ asked, onDecided }: DecideProps) {
  const { client, offline, user_code, device_name, address, user_agent } = asked;
  const params = { user_code };
  const gone = (error: unknown) =>
    hasStatus(error, 404)
      ? { title: "The code has expired", message: "Begin again at the machine, and it shows a new one." }
      : undefined;
  return (
    <Visitor title={`Let ${client.name} in?`} description="A machine asks to act as you." footer={<NotYou />}>
      <LoginAsked
        client={client}
        offline={offline}
        facts={[
          ["Code", user_code],
          ["Calls itself", device_name || describeUserAgent(user_agent)],
          ["Came from", address],
        ]}
      />
      <div className="flex flex-col gap-2">
        <ApiForm
          label="Approve"
          defaults={{}}
          refusal={gone}
          onSubmit={async () => {
            await api.call(approveOAuthDeviceRequest, { params });
            onDecided("approved");
          }}
        >
          <FormRefusal />
          <Submit className="w-full">Let it in</Submit>
        </ApiForm>
        <ApiForm
          label="Refuse"
          defaults={{}}
          refusal={gone}
          onSubmit={async () => {
            await api.call(denyOAuthDeviceRequest, { params });
            onDecided("denied");
          }}
        >
          <FormRefusal />
          <Submit kind="quiet" className="w-full">
            Refuse
          </Submit>
        </ApiForm>
      </div>
    </Visitor>
  );
}
