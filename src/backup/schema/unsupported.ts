const NS = `'plugin'::regnamespace`;
/** Not by way of pg_roles, which a plugin may not read. */
const ME = `quote_ident(current_user)::regrole`;

/**
 * Objects that a backup could not make again, by kind and name: none of them is left out in silence. Privileges are not
 * among them: one role owns everything.
 */
export const UNSUPPORTED = `
  select 'aggregate function' as kind, p.oid::regprocedure::text as name from pg_proc p
    where p.pronamespace = ${NS} and p.prokind in ('a', 'w')
  union all
  select 'base type', format_type(t.oid, null) from pg_type t where t.typnamespace = ${NS}
    and (t.typtype = 'p' or t.typtype = 'b' and not exists (select from pg_type e where e.typarray = t.oid))
  union all
  select 'operator', o.oid::regoperator::text from pg_operator o where o.oprnamespace = ${NS}
  union all
  select 'operator class', opcname from pg_opclass where opcnamespace = ${NS}
  union all
  select 'operator family', opfname from pg_opfamily where opfnamespace = ${NS}
  union all
  select 'collation', collname from pg_collation where collnamespace = ${NS}
  union all
  select 'conversion', conname from pg_conversion where connamespace = ${NS}
  union all
  select 'text search configuration', cfgname from pg_ts_config where cfgnamespace = ${NS}
  union all
  select 'text search dictionary', dictname from pg_ts_dict where dictnamespace = ${NS}
  union all
  select 'cast', format('from %s to %s', format_type(castsource, null), format_type(casttarget, null)) from pg_cast c
    where oid >= 16384 and not exists (select from pg_depend d
      where d.classid = 'pg_cast'::regclass and d.objid = c.oid and d.deptype = 'i')
  union all
  select 'transform', format_type(trftype, null) from pg_transform where oid >= 16384
  union all
  select 'schema', nspname from pg_namespace where nspowner = ${ME} and oid <> ${NS} and nspname !~ '^pg_(temp|toast)'
  union all
  select 'relation outside of its schema', c.oid::regclass::text from pg_class c
    where c.relowner = ${ME} and c.relnamespace <> ${NS} and c.relkind not in ('t', 'i') and c.relpersistence <> 't'
  union all
  select 'function outside of its schema', p.oid::regprocedure::text from pg_proc p
    where p.proowner = ${ME} and p.pronamespace <> ${NS} and p.pronamespace::regnamespace::text !~ '^pg_temp'
  union all
  select 'foreign table', c.oid::regclass::text from pg_class c where c.relnamespace = ${NS} and c.relkind = 'f'
  union all
  select 'typed table', c.oid::regclass::text from pg_class c where c.relnamespace = ${NS} and c.reloftype <> 0
  union all
  select 'table that forces row security on its owner, so that nobody here may read all of it', c.oid::regclass::text
    from pg_class c where c.relnamespace = ${NS} and c.relrowsecurity and c.relforcerowsecurity
  union all
  select 'table in a tablespace of its own', c.oid::regclass::text from pg_class c
    where c.relnamespace = ${NS} and c.reltablespace <> 0
  union all
  select 'table of another access method than heap', c.oid::regclass::text from pg_class c
    join pg_am am on am.oid = c.relam where c.relnamespace = ${NS} and c.relkind in ('r', 'p', 'm') and am.amname <> 'heap'
  union all
  select 'policy for another role', format('%I on %s', p.polname, p.polrelid::regclass) from pg_policy p
    where p.polroles <> '{0}' and p.polroles <> array[${ME}::oid]
  union all
  select 'column with another generation expression than its parent''s', format('%s.%I', a.attrelid::regclass, a.attname)
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    join pg_inherits i on i.inhrelid = c.oid join pg_attribute pa on pa.attrelid = i.inhparent and pa.attname = a.attname
    left join pg_attrdef pd on pd.adrelid = pa.attrelid and pd.adnum = pa.attnum
    where c.relnamespace = ${NS} and not c.relispartition and not a.attislocal and a.attgenerated <> ''
      and pg_get_expr(d.adbin, d.adrelid) is distinct from pg_get_expr(pd.adbin, pd.adrelid)
  limit 20`;

/** Where the core may not take these from plugins, they may read what they have. */
export const LARGE_OBJECTS = `
  select 'large object' as kind, oid::text as name from pg_largeobject_metadata where lomowner = ${ME} limit 20`;
export const MAY_HAVE_LARGE_OBJECTS = `
  select has_table_privilege('pg_largeobject_metadata', 'select') and has_function_privilege('lo_create(oid)', 'execute') as may`;
