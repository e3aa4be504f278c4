import { describeError, type Log } from "../log.ts";
import type { GatewayEvent } from "./directory.ts";

/** Tells the log and the metrics what happens at the gateway. */
export function reportTo(log: Log): (event: GatewayEvent) => void {
  return (happened) => {
    switch (happened.event) {
      case "refused": {
        const { reason, address, endpoint_id } = happened;
        log.event("gateway.refused", { reason, address, ...(endpoint_id === undefined ? {} : { endpoint_id }) });
        break;
      }
      case "opened": {
        const { endpoint_id, tls, took_ms } = happened;
        log.event("gateway.opened", { endpoint_id, tls, took_ms });
        break;
      }
      case "wake_failed":
        log.event("gateway.wake_failed", {
          endpoint_id: happened.endpoint_id,
          error: describeError(happened.error),
        });
        break;
      case "certificate_kept":
        log.event("gateway.certificate_kept", { error: describeError(happened.error) });
        break;
      case "failed": {
        const { endpoint_id, error } = happened;
        log.event("gateway.failed", {
          error: describeError(error),
          ...(endpoint_id === undefined ? {} : { endpoint_id }),
        });
        break;
      }
    }
  };
}
