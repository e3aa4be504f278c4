import {
  type Branch,
  getProjectBranch,
  getProjectBranchSchema,
  getProjectBranchSchemaComparison,
  listProjectBranches,
} from "@latchkey/contract/branches.ts";
import { listProjectBranchDatabases } from "@latchkey/contract/databases.ts";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { hasStatus } from "../../api/errors.ts";
import { listQuery, query } from "../../api/queries.ts";
import { SchemaDiff, SchemaText } from "../../components/branches/SchemaDiff.tsx";
import { Failure } from "../../components/Failures.tsx";
import { paths } from "../../paths.ts";
import { buttonClass } from "../../ui/Button.tsx";
import { Notice } from "../../ui/Notice.tsx";
import { Empty, Page } from "../../ui/Page.tsx";
import { Select } from "../../ui/Select.tsx";

/** In the address, for a comparison with nothing. */
const NOTHING = "-";

/** The schema of a branch: what differs from another branch's, the parent's to begin with, or all of it. */
export function SchemaPage() {
  const params = useParams({ from: "/signed-in/projects/$project_id/branches/$branch_id/schema" });
  const { project_id, branch_id } = params;
  const { base, db } = useSearch({ strict: false });
  const navigate = useNavigate();
  const branch = useQuery(query(getProjectBranch, { params }));
  const branches = useQuery(listQuery(listProjectBranches, { params: { project_id } }));
  const databases = useQuery(query(listProjectBranchDatabases, { params }));
  const failed = [branch, branches, databases].find(({ error, data }) => error && !data);
  const found = branch.data?.branch;
  const choose = (search: { base?: string; db?: string }) =>
    void navigate({
      to: ".",
      search: { ...(base ? { base } : {}), ...(db ? { db } : {}), ...search },
      replace: true,
      resetScroll: false,
    });
  const names = databases.data?.databases.map(({ name }) => name) ?? [];
  const database = db ?? names[0];
  const base_id = base ?? found?.parent_id ?? NOTHING;
  return (
    <Page
      title={found ? `Schema of ${found.name}` : "Schema"}
      description="What pg_dump says of it, without data. Reading it wakes no compute."
      actions={
        <Link to={paths.branch(project_id, branch_id)} className={buttonClass()}>
          Back to the branch
        </Link>
      }
    >
      {failed ? (
        <Failure error={failed.error} onRetry={() => void failed.refetch()} />
      ) : !found || !branches.data || !databases.data ? (
        <div className="skeleton h-64" />
      ) : database === undefined ? (
        <Empty>This branch has no database yet, and so no schema.</Empty>
      ) : (
        <>
          <div className="flex flex-wrap gap-x-6 gap-y-3">
            <Select
              label="Database"
              value={database}
              options={[...new Set([...names, database])].map((name) => ({ value: name, label: name }))}
              onChange={(name) => choose({ db: name })}
            />
            <Select
              label="Compared with"
              value={base_id}
              options={basesOf(found, branches.data)}
              onChange={(id) => choose({ base: id })}
            />
          </div>
          {base_id === NOTHING ? (
            <WholeSchema params={params} database={database} />
          ) : (
            <Comparison params={params} database={database} base={branches.data.find(({ id }) => id === base_id)} />
          )}
        </>
      )}
    </Page>
  );
}

function basesOf(branch: Branch, branches: readonly Branch[]) {
  const others = branches.filter(({ id }) => id !== branch.id);
  return [
    ...others.map(({ id, name }) => ({ value: id, label: id === branch.parent_id ? `${name} (parent)` : name })),
    { value: NOTHING, label: "Nothing: show all of it" },
  ];
}

interface SchemaProps {
  readonly params: { readonly project_id: string; readonly branch_id: string };
  readonly database: string;
}

/** PostgreSQL is asked each time: not because a window was looked at. */
const READING = { staleTime: 30_000, refetchOnWindowFocus: false };

function Comparison({ params, database, base }: SchemaProps & { readonly base: Branch | undefined }) {
  const compared = useQuery({
    ...query(getProjectBranchSchemaComparison, {
      params,
      query: { db_name: database, ...(base === undefined ? {} : { base_branch_id: base.id }) },
    }),
    ...READING,
    enabled: base !== undefined,
  });
  if (base === undefined) {
    return (
      <Notice kind="attention" title="That branch is not there">
        It was deleted, or belongs to another project. Choose another one to compare with.
      </Notice>
    );
  }
  if (hasStatus(compared.error, 404)) {
    return (
      <Notice kind="attention" title={`Only one of the branches has the database ${database}`}>
        Choose another database, or compare with nothing to see the schema of this branch.
      </Notice>
    );
  }
  if (compared.error && !compared.data) {
    return <Failure error={compared.error} onRetry={() => void compared.refetch()} />;
  }
  if (!compared.data) return <Reading />;
  const { diff } = compared.data;
  if (diff === "") return <Notice kind="plain">{`The schema of ${database} is the same in ${base.name}.`}</Notice>;
  return <SchemaDiff diff={diff} label={`How ${database} differs from ${base.name}`} />;
}

function WholeSchema({ params, database }: SchemaProps) {
  const schema = useQuery({ ...query(getProjectBranchSchema, { params, query: { db_name: database } }), ...READING });
  if (schema.error && !schema.data) {
    return <Failure error={schema.error} onRetry={() => void schema.refetch()} />;
  }
  if (!schema.data) return <Reading />;
  return <SchemaText sql={schema.data.sql ?? ""} label={`Schema of ${database}`} />;
}

function Reading() {
  return (
    <div className="flex flex-col gap-2">
      <p role="status" className="text-muted">
        Reading the schema…
      </p>
      <div className="skeleton h-64" />
    </div>
  );
}
