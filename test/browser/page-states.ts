import type { TestServer } from "../harness/server.ts";
import type { Demo } from "./demo.ts";
import { accountStates } from "./page-states/account.ts";
import { changingStates } from "./page-states/changing.ts";
import { organizationStates } from "./page-states/organization.ts";
import { projectStates } from "./page-states/project.ts";
import type { PageState } from "./page-states/state.ts";
import { visitorStates } from "./page-states/visitors.ts";

/** Every page of the Console in its states: what the screenshots show, and what the test of accessibility looks at. */
export function pageStates(server: TestServer, demo: Demo): readonly PageState[] {
  return [
    ...visitorStates(),
    ...accountStates(demo),
    ...organizationStates(demo),
    ...projectStates(demo),
    ...changingStates(server, demo),
  ];
}
