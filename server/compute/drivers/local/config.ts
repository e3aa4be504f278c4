import { isIP } from "node:net";
import type { CertificateFiles } from "../../../postgres/certificate.ts";
import type { ClusterConfig } from "../../../postgres/cluster.ts";
import { SUPERUSER } from "../../../postgres/data-directory.ts";
import type { Settings } from "../../../postgres/settings.ts";
import { type ComputeSpec, DriverError } from "../../driver.ts";
import { RESERVED_CONNECTIONS, SMALLEST_CU } from "../../size.ts";

/**
 * Settings that a caller may choose. A list of what is allowed and not of what is forbidden: any setting
 * that names a program, a library or a file (`archive_command`, `dynamic_library_path`,
 * `external_pid_file` …) is a way to run code or write files as the account that all projects share, and
 * every release of PostgreSQL may bring another one.
 */
export const ALLOWED_SETTINGS: readonly string[] = [
  ...["work_mem", "maintenance_work_mem", "temp_buffers", "effective_cache_size", "hash_mem_multiplier"],
  ...["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout"],
  ...["transaction_timeout", "deadlock_timeout", "tcp_keepalives_idle", "tcp_keepalives_interval"],
  ...["tcp_keepalives_count", "tcp_user_timeout", "client_connection_check_interval"],
  ...["timezone", "datestyle", "intervalstyle", "extra_float_digits", "bytea_output", "xmlbinary", "search_path"],
  ...["default_text_search_config", "default_transaction_isolation", "default_transaction_read_only"],
  ...["default_transaction_deferrable", "default_toast_compression", "default_statistics_target"],
  ...["random_page_cost", "seq_page_cost", "cpu_tuple_cost", "cpu_index_tuple_cost", "cpu_operator_cost"],
  ...["jit", "jit_above_cost", "enable_bitmapscan", "enable_hashagg", "enable_hashjoin", "enable_indexonlyscan"],
  ...["enable_indexscan", "enable_material", "enable_memoize", "enable_mergejoin", "enable_nestloop"],
  ...["enable_seqscan", "enable_sort", "enable_partitionwise_aggregate", "enable_partitionwise_join"],
  ...["from_collapse_limit", "join_collapse_limit", "geqo", "geqo_threshold", "plan_cache_mode"],
  ...["constraint_exclusion", "cursor_tuple_fraction", "row_security", "gin_pending_list_limit"],
  ...["synchronous_commit", "max_locks_per_transaction", "max_prepared_transactions", "checkpoint_timeout"],
  ...["autovacuum_naptime", "autovacuum_vacuum_threshold", "autovacuum_vacuum_scale_factor"],
  ...["autovacuum_analyze_threshold", "autovacuum_analyze_scale_factor", "autovacuum_vacuum_cost_limit"],
  ...["autovacuum_vacuum_cost_delay", "autovacuum_vacuum_insert_threshold", "autovacuum_vacuum_insert_scale_factor"],
  ...[
    "track_io_timing",
    "track_functions",
    "track_activity_query_size",
    "compute_query_id",
    "createrole_self_grant",
    "vacuum_cost_limit",
  ],
];

/** Of every size: what keeps a compute small that nobody uses. */
const FRUGAL: Settings = {
  min_wal_size: "32MB",
  huge_pages: "off",
  jit: false,
  dynamic_shared_memory_type: "mmap",
  max_logical_replication_workers: 0,
  // One is for taking branches from a running compute.
  max_wal_senders: 4,
  max_replication_slots: 4,
  superuser_reserved_connections: RESERVED_CONNECTIONS,
};

/** Of the smallest size: 5 MB of memory each when many are idle, 26 MB with PostgreSQL's own defaults. */
const SMALLEST: Settings = {
  shared_buffers: "16MB",
  wal_buffers: "256kB",
};

const MIB_OF_CU = 4096;

/**
 * What a size is to PostgreSQL. Nothing of it is taken before it is used, save some 4 % of the shared buffers, which
 * describe the rest; that is why the smallest size has next to none and leaves its data to the system's cache.
 * `work_mem` is the same for all, since the number of those who share the memory grows with it.
 */
function sizeSettings(size_cu: number): Settings {
  const mib = (amount: number) => `${amount}MB`;
  // A query is worked on by as many processes as the size has processors, its own among them.
  const helpers = Math.ceil(size_cu) - 1;
  return {
    shared_buffers: mib((MIB_OF_CU * size_cu) / 4),
    wal_buffers: mib(Math.min(16, 4 * size_cu)),
    ...(size_cu === SMALLEST_CU ? SMALLEST : {}),
    effective_cache_size: mib((MIB_OF_CU * size_cu * 3) / 4),
    maintenance_work_mem: mib(Math.max(64, 64 * size_cu)),
    // After a crash all of it is read again, some 200 MB a second.
    max_wal_size: mib(Math.min(4096, 1024 * size_cu)),
    max_worker_processes: 2 + helpers,
    max_parallel_workers: helpers,
    max_parallel_workers_per_gather: Math.min(helpers, 4),
    max_parallel_maintenance_workers: Math.min(helpers, 4),
    autovacuum_max_workers: size_cu < 1 ? 1 : 3,
  };
}

/** Settings that PostgreSQL learnt in some version; older ones refuse to start with them. */
const SINCE: readonly [major: number, settings: Settings][] = [
  [18, { io_method: "sync", autovacuum_worker_slots: 3 }],
  // A role that was made with SQL can at once be used and handed things by the role that made it, as a
  // superuser could, and as migrations expect ("ALTER TABLE … OWNER TO app"). Neon leaves this empty.
  [16, { createrole_self_grant: "set, inherit" }],
];

/** A new log segment is not filled with zeros ahead: those were nearly all that a branch took for itself, 16 MB with its first start. */
const SHARED_BLOCKS: Settings = { wal_init_zero: false };

const COMMON: Settings = {
  password_encryption: "scram-sha-256",
  timezone: "GMT",
  log_timezone: "GMT",
  log_checkpoints: false,
  // ERROR, LOG, FATAL and PANIC: people look for their own mistakes. Without the statement, which may hold a password, and
  // without the details, which hold values of rows. As fast as they care to make mistakes: the log is kept short.
  log_min_messages: "error",
  log_min_error_statement: "panic",
  log_error_verbosity: "terse",
};

/** The `postgresql.conf` and `pg_hba.conf` of a compute. Throws `setting_refused`. */
export function clusterConfig(
  endpoint_id: string,
  spec: ComputeSpec,
  environment: { major: number; tls: CertificateFiles; extensions: Settings; shares_blocks: boolean },
): ClusterConfig {
  for (const name of Object.keys(spec.settings ?? {})) {
    if (!ALLOWED_SETTINGS.includes(name)) throw new DriverError("setting_refused", `${name} cannot be set`);
  }
  const host = spec.host ?? "127.0.0.1";
  // A name may mean several addresses, of which PostgreSQL is content to get one.
  if (isIP(host) === 0) throw new DriverError("setting_refused", "the host of a compute must be an IP address");
  const newer = SINCE.filter(([major]) => environment.major >= major).map(([, settings]) => settings);
  return {
    port: spec.port,
    settings: {
      ...Object.assign(
        {},
        FRUGAL,
        sizeSettings(spec.size_cu ?? SMALLEST_CU),
        ...newer,
        environment.shares_blocks ? SHARED_BLOCKS : {},
        COMMON,
        environment.extensions,
        spec.settings,
      ),
      listen_addresses: spec.tcp === false ? "" : host,
      max_connections: spec.max_connections,
      cluster_name: endpoint_id,
      ssl: true,
      ssl_cert_file: environment.tls.certificate,
      ssl_key_file: environment.tls.key,
      ssl_min_protocol_version: "TLSv1.2",
    },
    access: accessRules(spec),
  };
}

/**
 * Who may connect from where. `latchkey_admin` comes in through the unix socket, whose directory is closed
 * to other accounts; over TCP it is refused before a password is asked for, so guessing it is not even
 * possible. No line names `replication`, so nobody can stream a copy of the files.
 */
function accessRules({ tls = "allowed" }: ComputeSpec): string[] {
  const rules = [
    "local all all scram-sha-256",
    `host all ${SUPERUSER} all reject`,
    "hostssl all all all scram-sha-256",
  ];
  if (tls === "allowed") rules.push("hostnossl all all all scram-sha-256");
  return rules;
}
