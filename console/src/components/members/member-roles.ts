import type { MemberRole } from "@latchkey/contract/organizations.ts";
import type { Option } from "../../ui/fields.tsx";

/** The two member roles in words. */
export const MEMBER_ROLES: readonly (Option & { readonly value: MemberRole })[] = [
  { value: "member", label: "Member", hint: "Works with all projects; cannot delete them or manage people and keys." },
  { value: "admin", label: "Admin", hint: "Everything in the organization." },
];
