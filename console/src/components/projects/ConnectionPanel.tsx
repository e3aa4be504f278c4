import { listProjectBranchDatabases } from "@latchkey/contract/databases.ts";
import { listProjectBranchEndpoints } from "@latchkey/contract/endpoints.ts";
import { listProjectBranchRoles } from "@latchkey/contract/roles.ts";
import { getInstance } from "@latchkey/contract/users.ts";
import { useQuery } from "@tanstack/react-query";
import { Eye, EyeOff } from "lucide-react";
import { useId, useState } from "react";
import { explain } from "../../api/errors.ts";
import { query } from "../../api/queries.ts";
import { Button } from "../../ui/Button.tsx";
import { Check } from "../../ui/Check.tsx";
import { Code } from "../../ui/Code.tsx";
import { INPUT } from "../../ui/input-class.ts";
import { Notice } from "../../ui/Notice.tsx";
import { Failure } from "../Failures.tsx";
import { HIDDEN_PASSWORD, RECIPES, type Recipe, type Target } from "./connection-strings.ts";
import { type RolePath, useRolePassword } from "./role-password.ts";

interface ConnectionPanelProps {
  readonly project_id: string;
  readonly branch_id: string;
}

/** How to reach a branch's databases, for the usual clients. The password comes when it is asked for. */
export function ConnectionPanel({ project_id, branch_id }: ConnectionPanelProps) {
  const params = { project_id, branch_id };
  const endpoints = useQuery(query(listProjectBranchEndpoints, { params }));
  const roles = useQuery(query(listProjectBranchRoles, { params }));
  const databases = useQuery(query(listProjectBranchDatabases, { params }));
  const instance = useQuery(query(getInstance));
  const [chosen_pooled, setPooled] = useState<boolean>();
  const [chosen_database, setDatabase] = useState<string>();
  const [chosen_role, setRole] = useState<string>();
  const [recipe, setRecipe] = useState<Recipe>(RECIPES[0] as Recipe);

  const failed = [endpoints, roles, databases, instance].find(({ error, data }) => error && !data);
  if (failed) return <Failure error={failed.error} onRetry={() => void failed.refetch()} />;
  const endpoint = endpoints.data?.endpoints[0];
  const database =
    databases.data?.databases.find(({ name }) => name === chosen_database) ?? databases.data?.databases[0];
  const log_ins = (roles.data?.roles ?? []).filter((one) => one.authentication_method === "password");
  const role = log_ins.find(({ name }) => name === (chosen_role ?? database?.owner_name)) ?? log_ins[0];
  const pools = instance.data?.pools_connections;
  if (!endpoint || !database || role === undefined || pools === undefined) {
    const loading = [endpoints, roles, databases, instance].some(({ data }) => data === undefined);
    return loading ? (
      <div className="skeleton h-24" />
    ) : (
      <Notice kind="plain">{nothingToReach(endpoint, database)}</Notice>
    );
  }
  const pooled = chosen_pooled ?? pools;
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-col gap-2">
        <div className="flex flex-wrap items-end gap-4">
          <Choice
            label="Database"
            value={database.name}
            options={databases.data?.databases.map(({ name }) => name) ?? []}
            onChange={setDatabase}
          />
          <Choice label="Role" value={role.name} options={log_ins.map(({ name }) => name)} onChange={setRole} />
          <Check label="Pooled connection" checked={pooled} onChange={setPooled} />
        </div>
        <p className="text-13 text-muted">{aboutPooling(pooled, pools)}</p>
      </div>
      {/* Another role has another password, and so has one that was changed: what is shown of one goes with it. */}
      <Strings
        key={`${branch_id} ${role.name} ${role.updated_at}`}
        params={{ ...params, role_name: role.name }}
        target={{ endpoint_id: endpoint.id, host: endpoint.host, pooled, role: role.name, database: database.name }}
        recipe={recipe}
        onRecipe={setRecipe}
      />
    </div>
  );
}

function nothingToReach(endpoint: unknown, database: unknown): string {
  if (!endpoint) return "This branch has no compute. Add one to connect to it.";
  if (!database) return "This branch has no database. Create one to connect to it.";
  return "This branch has no role that can log in. Create one to connect to it.";
}

function aboutPooling(pooled: boolean, pools: boolean): string {
  if (!pooled) return "Each client has a session of its own. Migrations and pg_dump need that.";
  if (!pools) return "This server has no pooler: each client at this address has a session of its own.";
  return "Many clients share a few sessions, each for one transaction at a time.";
}

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  readonly options: readonly string[];
  readonly onChange: (value: string) => void;
}

function Choice({ label, value, options, onChange }: ChoiceProps) {
  const id = useId();
  return (
    <div className="flex min-w-40 flex-col gap-1">
      <label htmlFor={id} className="font-medium">
        {label}
      </label>
      <select id={id} value={value} onChange={(event) => onChange(event.target.value)} className={INPUT}>
        {options.map((option) => (
          <option key={option}>{option}</option>
        ))}
      </select>
    </div>
  );
}

interface StringsProps {
  readonly params: RolePath;
  readonly target: Omit<Target, "password">;
  readonly recipe: Recipe;
  readonly onRecipe: (recipe: Recipe) => void;
}

function Strings({ params, target, recipe, onRecipe }: StringsProps) {
  const { password, error, reveal, toggle } = useRolePassword(params);
  const failure = error === undefined ? undefined : explain(error);
  return (
    <>
      <div className="flex flex-col gap-2">
        <div className="flex flex-wrap items-end justify-between gap-2">
          <div role="radiogroup" aria-label="Client" className="flex flex-wrap gap-1">
            {RECIPES.map((one) => (
              <label
                key={one.id}
                className="flex h-8 items-center rounded-md px-2.5 text-muted hover:bg-hover has-checked:bg-pressed has-checked:font-medium has-checked:text-text has-focus-visible:outline-2 has-focus-visible:outline-accent"
              >
                <input
                  type="radio"
                  name="client"
                  className="sr-only"
                  checked={one === recipe}
                  onChange={() => onRecipe(one)}
                />
                {one.label}
              </label>
            ))}
          </div>
          <Button onClick={() => void toggle()}>
            {password === undefined ? <Eye aria-hidden /> : <EyeOff aria-hidden />}
            {password === undefined ? "Show password" : "Hide password"}
          </Button>
        </div>
        <Code
          text={recipe.write({ ...target, password: password ?? HIDDEN_PASSWORD })}
          copy={async () => recipe.write({ ...target, password: password ?? (await reveal()) })}
          what={`${recipe.label} with password`}
        />
        <p className="text-13 text-muted">
          What is copied holds the password, shown or not. It is a secret: keep it out of source code.
        </p>
      </div>
      {failure && (
        <Notice kind="danger" title={failure.title} request_id={failure.request_id}>
          {failure.detail}
        </Notice>
      )}
    </>
  );
}
