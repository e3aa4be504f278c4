/** What a client needs to reach a database. */
export interface ConnectionTarget {
  /** Host as the API answers it, with its port. */
  readonly host: string;
  readonly role: string;
  readonly password: string;
  readonly database: string;
}

/** The connection string, as Neon gives it: encrypted, and bound to the very server that proves the password. */
export function connectionUri({ host, role, password, database }: ConnectionTarget): string {
  const [user, secret, path] = [role, password, database].map(encodeURIComponent);
  return `postgresql://${user}:${secret}@${host}/${path}?sslmode=require&channel_binding=require`;
}
