import { join } from "node:path";
import type { Clock } from "../clock.ts";
import type { ComputeDriver } from "../compute/driver.ts";
import type { Db } from "../db/pool.ts";
import type { Job } from "../jobs/runner.ts";
import type { Log } from "../log.ts";
import { ownAccount } from "../postgres/account.ts";
import { type CertificateFiles, ensureCertificate } from "../postgres/certificate.ts";
import type { ComputeSocket } from "./directory.ts";
import { EndpointDirectory } from "./endpoint-directory.ts";
import { Gateway, type ListenAddress } from "./gateway.ts";
import type { Plaintext } from "./handshake.ts";
import { idleJob, portsJob } from "./jobs.ts";
import { Ports } from "./ports.ts";
import { reportTo } from "./report.ts";
import { replaceDomainForGateway } from "./store.ts";
import { TlsFiles } from "./tls-identity.ts";
import { Verifiers } from "./verifiers.ts";

export interface OpenGatewayOptions {
  /** The port that all endpoints share, by name in TLS or by `options=endpoint=`; absent: only ports of their own. */
  readonly shared: ListenAddress | undefined;
  /** Below it each endpoint has a name; the port is the one that clients use. */
  readonly domain: { readonly name: string; readonly port: number } | undefined;
  readonly plaintext: Plaintext;
  /** Absent: a certificate of its own, kept in the data directory. */
  readonly certificate: CertificateFiles | undefined;
  readonly data_dir: string;
  /** Secret, 32 bytes, the same at every start and node. */
  readonly mock_key: Buffer;
  readonly db: Db;
  readonly compute: Pick<ComputeDriver, "query">;
  readonly wake: (endpoint_id: string) => Promise<ComputeSocket>;
  readonly rest: (endpoint_id: string, isIdle: () => boolean) => Promise<void>;
  readonly changePort: (endpoint_id: string) => Promise<unknown>;
  readonly node_id: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Assembles the gateway over the control plane's rows and computes, and its jobs. When it returns it listens on the
 * shared port and on those of all endpoints, and the API tells the names that lead there.
 */
export async function openGateway(options: OpenGatewayOptions): Promise<{ gateway: Gateway; jobs: Job[] }> {
  const { db, compute, wake, rest, changePort, node_id, clock, log, shared, domain, plaintext, mock_key } = options;
  const own = join(options.data_dir, "gateway");
  const tls = await TlsFiles.open(
    options.certificate ?? (await ensureCertificate(own, ownAccount(), clock, domain?.name)),
  );
  const report = reportTo(log);
  const verifiers = new Verifiers({
    db,
    compute,
    trafficOf: (endpoint_id) => gateway.trafficOf(endpoint_id),
    onFailure: (endpoint_id, error) => report({ event: "failed", endpoint_id, error }),
  });
  const gateway: Gateway = new Gateway({
    directory: new EndpointDirectory({ db, verifiers, wake }),
    tls: () => tls.identity,
    ...(domain === undefined ? {} : { domain: domain.name }),
    plaintext,
    mock_key,
    clock,
    report,
  });
  log.metrics.gateway_sessions.collect_from(() => gateway.sessions);
  log.metrics.gateway_half_open.collect_from(() => gateway.half_open);
  const ports = new Ports({ db, gateway, node_id, clock, changePort });
  try {
    if (shared !== undefined) await gateway.listen(shared);
    await ports.sync();
    await replaceDomainForGateway(db, node_id, domain);
  } catch (error) {
    await gateway.close(0);
    throw error;
  }
  const jobs = [portsJob({ ports, tls, report }), idleJob({ db, gateway, verifiers, compute, node_id, clock, rest })];
  return { gateway, jobs };
}
