import { join } from "node:path";
import type { Clock } from "../clock.ts";
import type { ComputeDriver } from "../compute/driver.ts";
import type { Db } from "../db/pool.ts";
import type { InTurn, Observation } from "../jobs/computes/content/observe-content.ts";
import type { Job } from "../jobs/runner.ts";
import type { Log } from "../log.ts";
import { ownAccount } from "../postgres/account.ts";
import { type CertificateFiles, ensureCertificate } from "../postgres/certificate.ts";
import type { ComputeSocket } from "./directory.ts";
import { EndpointDirectory } from "./endpoint-directory.ts";
import { Gateway, type ListenAddress } from "./gateway.ts";
import type { Plaintext } from "./handshake.ts";
import { idleJob, portsJob } from "./jobs.ts";
import { type LinkIdentity, readLinkIdentity } from "./links/identity.ts";
import { Links } from "./links/links.ts";
import { LinkServer } from "./links/server.ts";
import { Ports } from "./ports.ts";
import { reportTo } from "./report.ts";
import { openLookups } from "./slots.ts";
import { findNodeForGateway, listLinkDigestsForGateway, replaceDomainForGateway } from "./store.ts";
import { TlsFiles } from "./tls-identity.ts";
import { UseRecorder } from "./use.ts";
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
  readonly compute: Pick<ComputeDriver, "query" | "capabilities" | "ensurePooler">;
  readonly wake: (endpoint_id: string) => Promise<ComputeSocket>;
  readonly rest: (endpoint_id: string, isIdle: () => boolean) => Promise<void>;
  /** Looks at what is in a compute that runs; undefined: its branch has gone. */
  readonly observe: (endpoint_id: string, branch_id: string, inTurn: InTurn) => Promise<Observation | undefined>;
  readonly changePort: (endpoint_id: string) => Promise<unknown>;
  readonly node_id: string;
  /** Where the gateways of other nodes reach this one; absent: there are none. */
  readonly link?: LinkAddress | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Without a host: every address of this machine. */
export interface LinkAddress {
  readonly host?: string;
  readonly port: number;
}

/** What other nodes must know of this one to reach it. */
export interface OpenLink {
  readonly port: number;
  readonly certificate_digest: string;
}

export interface OpenGateway {
  readonly gateway: Gateway;
  readonly jobs: Job[];
  readonly link: OpenLink | undefined;
  /** As `Gateway.close`, links included; and records what clients have used to the last. */
  close(deadline_ms: number): Promise<void>;
}

/**
 * Assembles the gateway over the control plane's rows and computes, and its jobs. When it returns it listens on the
 * shared port and on those of all endpoints, and the API tells the names that lead there.
 */
export async function openGateway(options: OpenGatewayOptions): Promise<OpenGateway> {
  const { db, compute, wake, rest, observe, changePort, node_id, clock, log } = options;
  const { shared, domain, plaintext, mock_key } = options;
  const own = join(options.data_dir, "gateway");
  const tls = await TlsFiles.open(
    options.certificate ?? (await ensureCertificate(own, ownAccount(), clock, domain?.name)),
  );
  const report = reportTo(log);
  const identity = options.link && (await openLinkIdentity(options));
  const lookups = openLookups();
  const findNode = (endpoint_id: string) => lookups.run(() => findNodeForGateway(db, endpoint_id));
  const links = identity && new Links({ node_id, identity, findNode, clock });
  const verifiers = new Verifiers({
    ...{ db, lookups, observe, node_id, links },
    trafficOf: (endpoint_id) => gateway.trafficOf(endpoint_id),
    onFailure: (endpoint_id, error) => report({ event: "failed", endpoint_id, error }),
  });
  const gateway: Gateway = new Gateway({
    directory: new EndpointDirectory({ db, lookups, verifiers, wake, compute, links }),
    tls: () => tls.identity,
    ...(domain === undefined ? {} : { domain: domain.name }),
    plaintext,
    mock_key,
    clock,
    report,
  });
  log.metrics.gateway_sessions.collect_from(() => gateway.sessions);
  log.metrics.gateway_half_open.collect_from(() => gateway.half_open);
  const server =
    identity &&
    new LinkServer({
      ...{ identity, gateway, clock, report },
      listKnown: () => listLinkDigestsForGateway(db),
      findVerifier: (endpoint_id, role) => verifiers.find(endpoint_id, role),
    });
  const use = new UseRecorder({ db, gateway, node_id, clock });
  const close = async (deadline_ms: number) => {
    await gateway.close(deadline_ms);
    await server?.close();
    // The database may be what has gone: nothing is worth a stop that does not succeed.
    await use.record().catch((error) => report({ event: "failed", error }));
  };
  let link: OpenLink | undefined;
  const ports = new Ports({ db, gateway, node_id, clock, changePort });
  try {
    if (shared !== undefined) await gateway.listen(shared);
    await ports.sync();
    await replaceDomainForGateway(db, node_id, domain);
    if (server && identity && options.link) {
      link = { port: await server.listen(options.link), certificate_digest: identity.digest };
    }
  } catch (error) {
    await close(0);
    throw error;
  }
  const jobs = [
    portsJob({ ports, tls, report }),
    idleJob({ db, gateway, verifiers, compute, node_id, clock, rest }),
    use.job(),
  ];
  return { gateway, jobs, link, close };
}

/** A certificate for links alone. */
async function openLinkIdentity({ data_dir, clock }: OpenGatewayOptions): Promise<LinkIdentity> {
  return await readLinkIdentity(await ensureCertificate(join(data_dir, "link"), ownAccount(), clock));
}
