import type { Tx } from "../db/pool.ts";
import type { AccessChange } from "../nodes/change.ts";
import { type Action, isAllowed, refusal, type Standing } from "./policy.ts";
import type { Origin, Person, Principal } from "./principal.ts";
import type { OrganizationRow, ProjectRow } from "./store.ts";

/**
 * Access handles: proof that authorization has happened, carried together with the transaction it happened
 * in. A store function takes a handle and never a bare id, so a rule that forgets to authorize does not
 * compile. `authorize.ts` mints them; `test/architecture.test.ts` sees to it that nothing else does.
 */
export class CallerAccess {
  readonly tx: Tx;
  readonly principal: Principal;
  readonly origin: Origin;
  /** What this request has ended, for the pipeline to tell to every node before it answers. */
  readonly narrowed: AccessChange[] = [];
  /** Set when a rule asked for another action than its route did: the one that the audit tells of. */
  required: Action | undefined;

  constructor(tx: Tx, principal: Principal, origin: Origin) {
    this.tx = tx;
    this.principal = principal;
    this.origin = origin;
  }
}

/** A person acting on what is theirs. */
export class PersonAccess extends CallerAccess {
  declare readonly principal: Person;

  constructor(tx: Tx, principal: Person, origin: Origin) {
    super(tx, principal, origin);
  }

  get user_id(): string {
    return this.principal.user_id;
  }
}

/** An organization that the caller stands in. */
export class OrganizationAccess extends CallerAccess {
  readonly organization: OrganizationRow;
  readonly standing: Standing;

  constructor(tx: Tx, principal: Principal, origin: Origin, organization: OrganizationRow, standing: Standing) {
    super(tx, principal, origin);
    this.organization = organization;
    this.standing = standing;
  }

  get org_id(): string {
    return this.organization.id;
  }

  /** For a rule whose action shows only once a row is read; throws the same refusal as the pipeline. */
  require(action: Action): void {
    if (!isAllowed(action, this.standing)) throw refusal(this.principal, this.standing);
    this.required = action;
  }

  /** The handle of a project that has just been created under this organization, in this transaction. */
  forNewProject(project: ProjectRow): ProjectAccess {
    return new ProjectAccess(this.tx, this.principal, this.origin, project, this.standing);
  }
}

/** A project that the caller stands in; its branches, endpoints, roles and the rest are reached through it. */
export class ProjectAccess extends CallerAccess {
  readonly project: ProjectRow;
  readonly standing: Standing;

  constructor(tx: Tx, principal: Principal, origin: Origin, project: ProjectRow, standing: Standing) {
    super(tx, principal, origin);
    this.project = project;
    this.standing = standing;
  }

  get project_id(): string {
    return this.project.id;
  }
}
