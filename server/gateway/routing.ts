import { SQLSTATE, WireError } from "./wire.ts";

/** Which endpoint a connection is for, and what is left to ask of its compute. Pure. */
export interface Route {
  readonly endpoint_id: string;
  /** The name had `-pooler`. */
  readonly pooled: boolean;
  /** For the compute: what the gateway has understood is taken out. */
  readonly parameters: ReadonlyMap<string, string>;
}

export interface Arrival {
  /** The name that the client asked for in TLS (RFC 6066). */
  readonly server_name: string | undefined;
  /** Whose port the connection came in at; absent on the port that all share. */
  readonly port_endpoint_id: string | undefined;
  readonly parameters: ReadonlyMap<string, string>;
}

const POOLER = "-pooler";
const LONGEST_ID = 63;

/**
 * Finds the endpoint: by `<endpoint>.<domain>` in TLS, by `options=endpoint=<id>`, by the port; all that are given
 * must agree, since a client that names two means neither. Throws `WireError`. An endpoint that is named need not exist.
 */
export function routeTo(arrival: Arrival, domain: string | undefined): Route {
  const { found, parameters } = takeEndpointOption(withoutClientOptions(arrival.parameters));
  const names = [nameInDomain(arrival.server_name, domain), ...found, arrival.port_endpoint_id];
  const given = names.filter((name) => name !== undefined);
  const [name] = given;
  if (name === undefined) {
    throw new WireError(SQLSTATE.invalid_authorization, "Endpoint ID is not specified", {
      hint: "Connect to the host and port of the connection string, or add options=endpoint%3D<endpoint-id> to it.",
    });
  }
  const endpoint_id = withoutPooler(name);
  if (given.some((other) => withoutPooler(other) !== endpoint_id)) {
    throw new WireError(
      SQLSTATE.invalid_authorization,
      "the host, the port and options=endpoint name different endpoints",
    );
  }
  // Ids longer than any that exists go no further than here; their form is nobody's business.
  if (endpoint_id.length > LONGEST_ID) throw new WireError(SQLSTATE.protocol_violation, "the endpoint ID is too long");
  return { endpoint_id, pooled: given.some((other) => other.endsWith(POOLER)), parameters };
}

/**
 * Of connection strings, and meant for the client. Drivers that do not know one send it on as if it were a setting of the
 * server's, which refuses the session for it.
 */
const CLIENT_OPTIONS: ReadonlySet<string> = new Set(["channel_binding", "sslmode", "sslnegotiation", "sslrootcert"]);

function withoutClientOptions(parameters: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...parameters].filter(([name]) => !CLIENT_OPTIONS.has(name)));
}

const withoutPooler = (name: string) => (name.endsWith(POOLER) ? name.slice(0, -POOLER.length) : name);

/** The one label in front of our domain. Any other name says nothing: `localhost`, an address, somebody's alias. */
function nameInDomain(server_name: string | undefined, domain: string | undefined): string | undefined {
  if (server_name === undefined || domain === undefined) return undefined;
  const suffix = `.${domain.toLowerCase()}`;
  const name = server_name.toLowerCase();
  if (!name.endsWith(suffix)) return undefined;
  const label = name.slice(0, -suffix.length);
  return label === "" || label.includes(".") ? undefined : label;
}

/** How Neon's CLI asks for a moment of the past (`neon psql main@2024-01-01T00:00:00Z`). */
const PAST = /^(neon_timestamp|neon_lsn)[:=]/i;

/**
 * Takes `endpoint=<id>` out of the startup parameter `options`, which the compute would refuse it in. Some clients
 * send the `=` as it was in the URL, `%3D`. `project=` is Neon's older word for the same.
 */
function takeEndpointOption(parameters: ReadonlyMap<string, string>) {
  const options = parameters.get("options");
  if (options === undefined) return { found: [], parameters };
  const found: string[] = [];
  // Arguments end at white space that no backslash precedes (pg_split_opts).
  const rest = (options.match(/(?:\\[\s\S]|[^\s\\]|\\$)+/g) ?? []).filter((argument) => {
    const past = PAST.exec(argument)?.[1];
    if (past !== undefined) {
      throw new WireError(SQLSTATE.feature_not_supported, `${past} is not available in Latchkey`, {
        hint: "A branch has its present data alone: leave out what follows the @ of its name.",
      });
    }
    const id = /^(?:endpoint|project)(?:=|%3d)(.*)$/is.exec(argument)?.[1];
    if (id !== undefined) found.push(id);
    return id === undefined;
  });
  if (found.length === 0) return { found, parameters };
  const changed = new Map(parameters);
  if (rest.length > 0) changed.set("options", rest.join(" "));
  else changed.delete("options");
  return { found, parameters: changed };
}
