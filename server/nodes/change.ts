/**
 * Nodes: the server processes that share one database and answer from memory. This folder owns the lease
 * under which a node may do so, the changes that all of them must hear of, and the wait of a revocation for
 * every one of them. What is remembered is not its business: that is `keys/`. Why it is safe is decision
 * 0010, and `test/model/` checks it by machine.
 */

/** A change after which something that was accepted no longer is; it names what memories must drop. */
export type AccessChange =
  /** One key: revoked, or limited further. The digest in hexadecimal: it opens nothing. */
  | { readonly kind: "key"; readonly subject: string }
  /** Every key of a project, an organization or a person, by its id. */
  | { readonly kind: "project" | "organization" | "user"; readonly subject: string }
  | { readonly kind: "everything"; readonly subject: "" };

/** Where remembered answers live. Both calls are synchronous: when they return, nothing dropped is served. */
export interface Memory {
  drop(change: AccessChange): void;
  dropEverything(): void;
}

/** What a narrowing change waited for before it was answered. */
export interface Confirmation {
  readonly revision: number;
  /** Ids of the nodes that have applied it. */
  readonly acknowledged: readonly string[];
  /** Ids of the nodes that did not answer and whose lease ran out. */
  readonly lapsed: readonly string[];
  readonly waited_ms: number;
}
