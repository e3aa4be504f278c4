/** What a client needs to reach a database. */
export interface ConnectionTarget {
  /** Host as the API answers it, with its port. */
  readonly host: string;
  readonly role: string;
  readonly password: string;
  readonly database: string;
  /** The compute whose pooler is meant; absent: a session of its own. */
  readonly pooled?: { readonly endpoint_id: string };
}

/** The host of a compute's pooler. A host that has no name of the compute's in it is the pooler's, too: options tell them apart. */
export function poolerHost(host: string, endpoint_id: string): string {
  return host.replace(endpoint_id, `${endpoint_id}-pooler`);
}

/** The connection string, as Neon gives it: encrypted, and bound to the very server that proves the password. */
export function connectionUri({ host, role, password, database, pooled }: ConnectionTarget): string {
  const [user, secret, path] = [role, password, database].map(encodeURIComponent);
  const uri = (at: string) => `postgresql://${user}:${secret}@${at}/${path}?sslmode=require&channel_binding=require`;
  if (pooled === undefined) return uri(host);
  const { endpoint_id } = pooled;
  const named = poolerHost(host, endpoint_id);
  return named === host ? `${uri(host)}&options=endpoint%3D${endpoint_id}-pooler` : uri(named);
}
