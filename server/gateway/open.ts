import type { Clock } from "../clock.ts";
import type { ComputeDriver } from "../compute/driver.ts";
import type { Db } from "../db/pool.ts";
import type { Job } from "../jobs/runner.ts";
import type { ComputeSocket, GatewayEvent } from "./directory.ts";
import { EndpointDirectory } from "./endpoint-directory.ts";
import { Gateway, type ListenAddress } from "./gateway.ts";
import { TlsFiles } from "./tls-identity.ts";
import { gatewayJob } from "./upkeep.ts";
import { Verifiers } from "./verifiers.ts";

export interface OpenGatewayOptions {
  /** The port that all endpoints share, by name in TLS or by `options=endpoint=`; absent: only ports of their own. */
  readonly shared: ListenAddress | undefined;
  readonly domain: string | undefined;
  readonly plaintext: "allowed" | "refused";
  readonly certificate: { readonly certificate: string; readonly key: string };
  /** Secret, 32 bytes, the same at every start and node. */
  readonly mock_key: Buffer;
  readonly db: Db;
  readonly compute: Pick<ComputeDriver, "query">;
  readonly wake: (endpoint_id: string) => Promise<ComputeSocket>;
  readonly rest: (endpoint_id: string, isIdle: () => boolean) => Promise<void>;
  readonly changePort: (endpoint_id: string) => Promise<unknown>;
  readonly node_id: string;
  readonly clock: Clock;
  readonly report: (event: GatewayEvent) => void;
}

/** Assembles the gateway over the control plane's rows and computes, and its job; listens on the shared port. */
export async function openGateway(options: OpenGatewayOptions): Promise<{ gateway: Gateway; job: Job }> {
  const { db, compute, wake, rest, changePort, node_id, clock, report, shared, domain, plaintext, mock_key } = options;
  const tls = await TlsFiles.open(options.certificate);
  const verifiers = new Verifiers({
    db,
    compute,
    trafficOf: (endpoint_id) => gateway.trafficOf(endpoint_id),
    onFailure: (endpoint_id, error) => report({ event: "failed", endpoint_id, error }),
  });
  const gateway: Gateway = new Gateway({
    directory: new EndpointDirectory({ db, verifiers, wake }),
    tls: () => tls.identity,
    ...(domain === undefined ? {} : { domain }),
    plaintext,
    mock_key,
    clock,
    report,
  });
  if (shared !== undefined) await gateway.listen(shared);
  const parts = { db, gateway, verifiers, compute, tls, node_id, clock, report };
  return { gateway, job: gatewayJob({ ...parts, rest, changePort }) };
}
