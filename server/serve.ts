import { join } from "node:path";
import { Authenticator } from "./access/authenticate.ts";
import { FailureLimit } from "./access/failure-limit.ts";
import { apiKeyRoutes } from "./api-keys/routes.ts";
import { insertAuditEvent } from "./audit/store.ts";
import { branchRoutes } from "./branches/routes.ts";
import { systemClock as clock } from "./clock.ts";
import type { Config } from "./config.ts";
import { registerConsole } from "./console/static.ts";
import { databaseRoutes } from "./databases/routes.ts";
import { pingDatabase } from "./db/pool.ts";
import { emptyListRoutes } from "./empty-lists/routes.ts";
import { endpointLogRoutes } from "./endpoints/log/routes.ts";
import { endpointRoutes } from "./endpoints/routes.ts";
import { API_PREFIX, closeApp, createApp } from "./http/app.ts";
import { openApiDocument } from "./http/openapi.ts";
import { registerOps } from "./http/ops.ts";
import { RateLimits } from "./http/rate-limits.ts";
import { registerStandardRoutes } from "./http/standard-routes.ts";
import { LastUsedRecorder } from "./keys/last-used.ts";
import { openKeys } from "./keys/open-keys.ts";
import type { Log } from "./log.ts";
import { createMailer } from "./mail/mailer.ts";
import { listNodes } from "./nodes/store.ts";
import { openApiSecurityScheme } from "./oauth/metadata.ts";
import { oauthRoutes } from "./oauth/routes.ts";
import { oauthStandardRoutes } from "./oauth/standard-routes.ts";
import { findGrantsOfAccessTokens, writeGrantUses } from "./oauth/store.ts";
import type { Instance } from "./open.ts";
import { operationRoutes } from "./operations/routes.ts";
import { invitationRoutes } from "./organizations/invitations/routes.ts";
import { memberRoutes } from "./organizations/members/routes.ts";
import { organizationRoutes } from "./organizations/routes.ts";
import { listDataNodes } from "./placement/store.ts";
import { consumptionRoutes } from "./projects/consumption/routes.ts";
import { projectRoutes } from "./projects/routes.ts";
import { roleRoutes } from "./roles/routes.ts";
import { createIdentity } from "./sessions/identity.ts";
import { sessionRoutes } from "./sessions/routes.ts";
import type { Stack } from "./stack.ts";
import { userRoutes } from "./users/routes.ts";
import { version } from "./version.ts";
import type { Assignment } from "./workers.ts";

export interface Serving {
  readonly poke: () => void;
  readonly readMetrics?: () => Promise<string>;
  readonly log: Log;
  readonly started: Stack;
}

/** Everything between a request and the database, listening: every room that has routes is wired here. */
export async function serve(
  config: Config,
  instance: Instance,
  assignment: Assignment,
  serving: Serving,
): Promise<void> {
  const { db, pool, sealer } = instance;
  const { node_id, settings, capacity, pools_connections } = assignment;
  const { poke, readMetrics, log, started } = serving;
  const storage = { capabilities: () => assignment.storage };
  const identity = createIdentity({
    connection: instance.connection,
    cookie_secret: sealer.cookieSecret(),
    public_url: config.public_url,
    log,
  });
  started.add("sessions", () => identity.close());
  const mailer = createMailer(config, log);

  const keys = openKeys({
    config,
    connection: instance.connection,
    db,
    pool,
    description: { data_node_id: node_id, address: config.public_url, pid: process.pid, version },
    findGrants: (digests) => findGrantsOfAccessTokens(pool, digests),
    clock,
    log,
  });
  started.add("keys", () => keys.stop());
  await keys.start();
  const grant_recorder = new LastUsedRecorder(pool, clock, log, writeGrantUses);
  started.add("login uses", () => grant_recorder.stop());
  const routes = [
    ...userRoutes({
      ...{ db, identity, sign_up: config.sign_up, public_url: config.public_url },
      ...{ capacity, pools_connections, mailer, version, clock },
    }),
    ...sessionRoutes({ identity, db, clock }),
    ...oauthRoutes({ public_url: config.public_url, clock }),
    ...organizationRoutes(),
    ...memberRoutes(),
    ...invitationRoutes({ public_url: config.public_url, mailer }),
    ...apiKeyRoutes(),
    ...projectRoutes({ sealer, node_id, storage, settings, capacity }),
    ...consumptionRoutes(),
    ...branchRoutes({ sealer, node_id, settings, capacity, clock, poke }),
    ...endpointRoutes({ settings, capacity }),
    ...endpointLogRoutes({ clock, poke }),
    ...roleRoutes({ sealer }),
    ...databaseRoutes(),
    ...operationRoutes(),
    ...emptyListRoutes(),
  ];
  const app = await createApp({
    routes,
    db,
    authenticator: new Authenticator({
      verifier: keys.verifier,
      recorder: keys.recorder,
      grant_recorder,
      sessions: (cookie) => identity.sessionFromCookie(cookie),
      failures: new FailureLimit(clock),
      without_credential: new FailureLimit(clock),
      log,
    }),
    revocations: keys.revocations,
    rate_limits: config.rate_limits && new RateLimits(config.rate_limits, clock, log.metrics),
    public_url: config.public_url,
    trust_proxy: config.trust_proxy,
    recordAudit: insertAuditEvent,
    afterChange: poke,
    clock,
    log,
  });
  let stopping = false;
  await registerOps(app, {
    metrics: log.metrics,
    readMetrics,
    listNodes: () => listNodes(db),
    listDataNodes: () => listDataNodes(db),
    metrics_token: config.metrics_token,
    openapi: openApiDocument(routes, version, config.public_url + API_PREFIX, openApiSecurityScheme(config.public_url)),
    isReady: async () => {
      await pingDatabase(db);
      return !stopping;
    },
  });

  await registerStandardRoutes(app, oauthStandardRoutes({ db, public_url: config.public_url, clock, log }));
  await registerConsole(app, { dist: join(import.meta.dirname, "../console/dist") });

  await app.listen({ host: config.host, port: config.port });
  started.add("http", async () => {
    stopping = true;
    await closeApp(app, clock);
  });
}
