import { authorizationQuery, beginDevice, newVerifier } from "../../harness/oauth.ts";
import type { TestServer } from "../../harness/server.ts";
import { unique } from "../../harness/world.ts";
import type { Demo } from "../demo.ts";
import { fill, open, type PageState, press, says, steps, submit, titled } from "./state.ts";

const dialog = { as: "admin", window_only: true } as const;

/** States that leave something behind on the server: they come last, so that no list of the others has it. */
export function changingStates(server: TestServer, { org_id }: Demo): readonly PageState[] {
  const keys = "/account/api-keys";
  const members = `/organizations/${org_id}/members`;
  // One name for each key, wherever it is made: it has to be free.
  const names = ["deploy-2026-11", "staging", "grafana", "terraform", "mobile-ci", "import"];
  const createKey = steps(
    open("Create new API key"),
    (page) => page.getByLabel("Name").fill(names.shift() ?? unique("key")),
    submit("Create"),
    (page) => page.getByRole("dialog", { name: "Copy your key now" }).waitFor(),
    (page) => page.mouse.move(0, 0),
  );
  const consent = async () => `/oauth2/authorize?${authorizationQuery(newVerifier().challenge)}`;
  const device = async () => {
    const { pathname, search } = new URL(
      (await beginDevice(server, { device_name: "build-7" })).verification_uri_complete,
    );
    return pathname + search;
  };
  const goOn = steps(press("Go on"), says("build-7"));
  return [
    { name: "oauth-consent", path: consent, as: "admin" },
    {
      name: "oauth-consent-refused",
      path: consent,
      as: "admin",
      act: steps(press("Refuse"), titled("Nothing was let in")),
    },
    {
      name: "oauth-consent-approved",
      path: consent,
      as: "admin",
      // Nothing listens at the address that the browser is sent to; an answer without content leaves it where it is.
      prepare: (page) => page.route(/:54321\//, (route) => route.fulfill({ status: 204 })),
      act: steps(press("Let it in"), titled("Neon CLI is let in")),
    },
    { name: "oauth-refused", path: "/oauth/consent", as: "admin" },
    { name: "oauth-refused-client", path: "/oauth/refused?reason=client" },
    { name: "oauth-device", path: device, as: "admin" },
    {
      name: "oauth-device-unknown",
      path: "/oauth/device",
      as: "admin",
      act: steps(fill("Code", "BCDF-GHJK"), press("Go on"), says(/No machine waits under this code/)),
    },
    { name: "oauth-device-consent", path: device, as: "admin", act: goOn },
    {
      name: "oauth-device-refused",
      path: device,
      as: "admin",
      act: steps(goOn, press("Refuse"), titled("Nothing was let in")),
    },
    {
      name: "oauth-device-approved",
      path: device,
      as: "admin",
      act: steps(goOn, press("Let it in"), titled("Latchkey CLI is let in")),
    },
    { ...dialog, name: "key-shown", path: keys, act: createKey },
    { ...dialog, name: "key-leaving", path: keys, act: steps(createKey, (page) => page.keyboard.press("Escape")) },
    {
      ...dialog,
      name: "organization-key-shown",
      path: `/organizations/${org_id}/settings/api-keys`,
      act: createKey,
    },
    {
      ...dialog,
      name: "invite-link",
      path: members,
      act: steps(open("Invite a person"), fill("E-mail", "new@example.com"), submit("Invite"), (page) =>
        page.getByRole("dialog", { name: "Pass this link on" }).waitFor(),
      ),
    },
  ];
}
