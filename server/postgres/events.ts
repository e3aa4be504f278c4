/**
 * Where this room and the drivers report what happens. The composition root passes an adapter to its own
 * log; fields never hold a secret, for none is ever put there.
 */
export interface EventLog {
  info(event: string, fields: object): void;
  warn(event: string, fields: object): void;
  error(event: string, fields: object): void;
}

export const silent: EventLog = { info() {}, warn() {}, error() {} };
