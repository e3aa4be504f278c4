import type { IncomingMessage } from "node:http";
import proxyAddr from "@fastify/proxy-addr";

/**
 * The address that a request comes from. Behind so many proxies of ours it is the one that the outermost of them has
 * seen; what stands before it in the header may have been written by anybody.
 */
export function clientAddress(trust_proxy: number): (request: IncomingMessage) => string {
  if (trust_proxy === 0) return (request) => request.socket.remoteAddress ?? "";
  // A hop count, never "all".
  const is_ours = (_address: string, hop: number) => hop < trust_proxy;
  return (request) => withoutPort(proxyAddr(request, is_ours));
}

const WITH_PORT = /^(?:\[([^\]]*)\]|(\d+(?:\.\d+){3}))(?::\d+)?$/;

/** Some proxies note their client's port, too: with it each connection would come from an address of its own. */
function withoutPort(address: string): string {
  const [, ipv6, ipv4] = WITH_PORT.exec(address) ?? [];
  return ipv6 ?? ipv4 ?? address;
}
