import { BlockList, isIP } from "node:net";

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/**
 * Whether an address is on a project's list of allowed addresses, in Neon's forms: `203.0.113.7`, `203.0.113.0/24`,
 * `203.0.113.1-203.0.113.20`. An empty list allows every address; a list with mistakes in it allows what is left of it.
 */
export function isAllowedIp(address: string, allowed_ips: readonly string[]): boolean {
  if (allowed_ips.length === 0) return true;
  const plain = plainAddress(address);
  const family = familyOf(plain);
  if (family === undefined) return false;
  const list = new BlockList();
  for (const entry of allowed_ips) add(list, entry.replaceAll(/\s/g, ""));
  return list.check(plain, family);
}

function add(list: BlockList, entry: string): void {
  const [first = "", last] = entry.split("-");
  const [network = "", prefix] = first.split("/");
  const family = familyOf(network);
  if (family === undefined) return;
  if (last !== undefined) {
    if (familyOf(last) !== family || prefix !== undefined) return;
    try {
      list.addRange(network, last, family);
    } catch {
      // The range's end is before its start: it holds no address.
    }
  } else if (prefix === undefined) {
    list.addAddress(network, family);
  } else if (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === "ipv4" ? 32 : 128)) {
    list.addSubnet(network, Number(prefix), family);
  }
}

function familyOf(address: string): "ipv4" | "ipv6" | undefined {
  const version = isIP(address);
  return version === 0 ? undefined : version === 4 ? "ipv4" : "ipv6";
}

/** An IPv4 address as such, also where a socket of both families writes it as `::ffff:203.0.113.7`. */
export function plainAddress(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  return mapped ?? address;
}

/** Whether a connection from the address never leaves this machine. */
export function isLoopback(address: string): boolean {
  const plain = plainAddress(address);
  const family = familyOf(plain);
  return family !== undefined && LOOPBACK.check(plain, family);
}
