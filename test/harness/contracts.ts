import { glob } from "node:fs/promises";
import { join } from "node:path";
import type { RouteContract } from "../../contract/route.ts";

/** Every route contract that there is, by file and then by name: what table-driven tests walk. */
const CONTRACT_DIRECTORY = join(import.meta.dirname, "../../contract");

function isContract(value: unknown): value is RouteContract {
  return typeof value === "object" && value !== null && "method" in value && "path" in value && "response" in value;
}

async function collect(): Promise<RouteContract[]> {
  const files: string[] = [];
  for await (const file of glob("*.ts", { cwd: CONTRACT_DIRECTORY })) {
    if (!file.endsWith(".test.ts")) files.push(file);
  }
  const modules = await Promise.all(files.sort().map((file) => import(join(CONTRACT_DIRECTORY, file))));
  return modules.flatMap((module: object) => Object.values(module).filter(isContract));
}

export const contracts: readonly RouteContract[] = await collect();

/** The contract of an operation. */
export function contractOf(id: string): RouteContract {
  const found = contracts.find((contract) => contract.id === id);
  if (!found) throw new Error(`no contract is called ${id}`);
  return found;
}

/** Whoever has no credential may call these, on the way to one. Said here again on purpose: a route must not open by oversight. */
export const OPEN_OPERATIONS: ReadonlySet<string> = new Set([
  "getInstance",
  "signUp",
  "signIn",
  "requestPasswordReset",
  "resetPassword",
]);

/** A key or token may not: there is no session to sign out of, and consent is a person's in front of the Console. */
export const SESSION_OPERATIONS: ReadonlySet<string> = new Set([
  "signOut",
  "approveOAuthAuthorization",
  "approveOAuthDeviceRequest",
  "denyOAuthDeviceRequest",
]);

export interface Request {
  readonly params?: Readonly<Record<string, string | number>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** The path of a request below `/api/v2`, query included. */
export function pathOf(contract: RouteContract, { params = {}, query = {} }: Request): string {
  const path = contract.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name];
    if (value === undefined) throw new Error(`${contract.id}: the case gives no ${name}`);
    return encodeURIComponent(value);
  });
  const search = new URLSearchParams(query).toString();
  return search === "" ? path : `${path}?${search}`;
}
