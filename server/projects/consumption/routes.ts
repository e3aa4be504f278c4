import * as contract from "@latchkey/contract/consumption.ts";
import { type Route, route } from "../../route.ts";
import { locateOrganization } from "../locate.ts";
import { readBranchHistoryV2, readProjectHistory, readProjectHistoryV2 } from "./history.ts";

export function consumptionRoutes(): Route[] {
  return [
    route(contract.getConsumptionHistoryPerProject, {
      requires: {
        on: "organization",
        action: "consumption.read",
        locate: ({ principal, query }) => locateOrganization(principal, query.org_id),
      },
      run: (access, { query }) => readProjectHistory(access, query),
    }),
    route(contract.getConsumptionHistoryPerProjectV2, {
      requires: { on: "organization", action: "consumption.read", locate: ({ query }) => query.org_id },
      run: (access, { query }) => readProjectHistoryV2(access, query),
    }),
    route(contract.getConsumptionHistoryPerBranchV2, {
      requires: { on: "organization", action: "consumption.read", locate: ({ query }) => query.org_id },
      run: (access, { query }) => readBranchHistoryV2(access, query),
    }),
  ];
}
