import { getProjectOperation, listProjectOperations } from "@latchkey/contract/operations.ts";
import { type Route, route } from "../route.ts";
import { getOperation, listOperations } from "./store.ts";

const PAGE = 100;

export function operationRoutes(): Route[] {
  return [
    route(listProjectOperations, {
      requires: { on: "project", action: "operation.read" },
      run: (access, { query }) => listOperations(access, { limit: query.limit ?? PAGE, cursor: query.cursor }),
    }),
    route(getProjectOperation, {
      requires: { on: "project", action: "operation.read" },
      run: async (access, { params }) => ({ operation: await getOperation(access, params.operation_id) }),
    }),
  ];
}
