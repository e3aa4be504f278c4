import { cancelProjectOperation, getProjectOperation, listProjectOperations } from "@latchkey/contract/operations.ts";
import { type Route, route } from "../route.ts";
import { cancelOperation, getOperation, listOperations } from "./store.ts";

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
    route(cancelProjectOperation, {
      requires: { on: "project", action: "operation.cancel" },
      run: async (access, { params }) => ({ operation: await cancelOperation(access, params.operation_id) }),
      audit: (_, { operation: { id, project_id } }) => ({ subject: `operation:${id}`, project_id }),
    }),
  ];
}
