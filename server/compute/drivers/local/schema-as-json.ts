/**
 * The tables of a database in the form of Neon's `BranchSchemaJSON`, as one row with one text. Run as superuser in
 * a stranger's database: everything it names is PostgreSQL's own, and it calls nothing of theirs.
 */
export const SCHEMA_AS_JSON = `
  with tables as (
    select c.oid, n.nspname, c.relname from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'f') and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
      and not exists (
        select from pg_catalog.pg_depend d where d.objid = c.oid and d.classid = 'pg_class'::regclass and d.deptype = 'e')
  ), columns as (
    select a.attrelid, json_agg(json_build_object(
        'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
        'nullable', not a.attnotnull, 'generated', a.attgenerated <> '') order by a.attnum) as list
    from pg_catalog.pg_attribute a where a.attnum > 0 and not a.attisdropped
    group by a.attrelid
  ), constraints as (
    select k.conrelid, json_agg(json_strip_nulls(json_build_object(
        'type', case k.contype when 'p' then 'primary_key' when 'u' then 'unique' else 'foreign_key' end,
        'name', k.conname,
        'columns', (select json_agg(a.attname order by o.place) from unnest(k.conkey) with ordinality o (number, place)
                    join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = o.number),
        'referenced_table', case k.contype when 'f' then json_build_object(
          'schema', rn.nspname, 'table', r.relname,
          'columns', (select json_agg(a.attname order by o.place) from unnest(k.confkey) with ordinality o (number, place)
                      join pg_catalog.pg_attribute a on a.attrelid = k.confrelid and a.attnum = o.number)) end
      )) order by k.contype = 'f', k.contype, k.conname) as list
    from pg_catalog.pg_constraint k
    left join pg_catalog.pg_class r on r.oid = k.confrelid
    left join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
    where k.contype in ('p', 'u', 'f') and k.conrelid <> 0
    group by k.conrelid
  )
  select json_build_object('tables', coalesce(json_agg(json_build_object(
      'schema', t.nspname, 'name', t.relname,
      'columns', coalesce(columns.list, '[]'), 'constraints', coalesce(constraints.list, '[]')
    ) order by t.nspname, t.relname), '[]'))::text as schema
  from tables t left join columns on columns.attrelid = t.oid left join constraints on constraints.conrelid = t.oid`;
