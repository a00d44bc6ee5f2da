import type { Stage } from './statement.ts';

/**
 * What a schema is made of, as statements that Postgres' own functions write down (pg_get_*def, format_type) from the
 * catalogs. Each query gives `kind`, `name` and `sql`, in the order in which the objects were made, which mostly is an
 * order in which they can be made again. They run with an empty search path: every name comes out qualified. They read
 * only what the catalogs of PostgreSQL 15 and later all have; the tests run on 18, and 15 was tried by hand.
 */
export interface SchemaQuery {
  readonly stage: Stage;
  readonly text: string;
}

const NS = `'plugin'::regnamespace`;

/** ` collate x` where the collation is not the type's own. */
const collate = (collation: string, type: string) =>
  `case when ${collation} <> 0 and ${collation} <> (select typcollation from pg_type where oid = ${type})
    then ' collate ' || ${collation}::regcollation else '' end`;

/** `a = 'x', b = 'y'` of reloptions and the like; null when there are none. */
const options = (list: string, prefix = '') =>
  `(select string_agg(${prefix === '' ? '' : `'${prefix}' || `}quote_ident(split_part(o, '=', 1)) || ' = ' ||
    quote_literal(substr(o, strpos(o, '=') + 1)), ', ' order by o) from unnest(${list}) as o)`;

const sequenceOptions = (s: string) =>
  `format('increment by %s minvalue %s maxvalue %s start with %s cache %s%s', ${s}.seqincrement, ${s}.seqmin,
    ${s}.seqmax, ${s}.seqstart, ${s}.seqcache, case when ${s}.seqcycle then ' cycle' else '' end)`;

/** Whether a table has parents, children or partitions: then its checks have to be there when they are tied together. */
const isRelated = (oid: string) =>
  `exists (select from pg_inherits i where i.inhrelid = ${oid} or i.inhparent = ${oid})`;

/** Checks that are part of `create table`; the others come after the data, which may hold what they look up. */
const isInTable = `(con.contype = 'n' and con.convalidated
  or con.contype = 'c' and con.convalidated and ${isRelated('con.conrelid')})`;

/** Not made by Postgres for another object, as the constructors of a range are. */
const isOwn = (catalog: string, oid: string) => `not exists (select from pg_depend d
  where d.classid = '${catalog}'::regclass and d.objid = ${oid} and d.deptype = 'i')`;

const TYPES = `
  select t.oid, 'enum' as kind, format_type(t.oid, null) as name,
    format('create type %s as enum (%s)', format_type(t.oid, null), coalesce((select string_agg(quote_literal(e.enumlabel),
      ', ' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid), '')) as sql
    from pg_type t where t.typnamespace = ${NS} and t.typtype = 'e'
  union all
  select t.oid, 'composite type', format_type(t.oid, null),
    format('create type %s as (%s)', format_type(t.oid, null), coalesce((select string_agg(
      format('%I %s%s', a.attname, format_type(a.atttypid, a.atttypmod), ${collate('a.attcollation', 'a.atttypid')}),
      ', ' order by a.attnum) from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped), ''))
    from pg_type t join pg_class c on c.oid = t.typrelid and c.relkind = 'c' where t.typnamespace = ${NS}
  union all
  select t.oid, 'domain', format_type(t.oid, null),
    format('create domain %s as %s%s%s%s%s', format_type(t.oid, null), format_type(t.typbasetype, t.typtypmod),
      ${collate('t.typcollation', 't.typbasetype')},
      ' default ' || coalesce(pg_get_expr(t.typdefaultbin, 0), quote_literal(t.typdefault)),
      case when t.typnotnull and not exists (select from pg_constraint n where n.contypid = t.oid and n.contype = 'n')
        then ' not null' end,
      (select string_agg(format(' constraint %I %s', con.conname, pg_get_constraintdef(con.oid)), '' order by con.conname)
        from pg_constraint con where con.contypid = t.oid and con.convalidated))
    from pg_type t where t.typnamespace = ${NS} and t.typtype = 'd'
  union all
  select t.oid, 'range', format_type(t.oid, null),
    format('create type %s as range (%s)', format_type(t.oid, null), concat_ws(', ',
      'subtype = ' || format_type(r.rngsubtype, null),
      (select format('subtype_opclass = %I.%I', o.opcnamespace::regnamespace::name, o.opcname)
        from pg_opclass o where o.oid = r.rngsubopc and not o.opcdefault),
      case when r.rngcollation <> 0 and r.rngcollation <> (select typcollation from pg_type where oid = r.rngsubtype)
        then 'collation = ' || r.rngcollation::regcollation end,
      case when r.rngcanonical <> 0 then 'canonical = ' || r.rngcanonical::regproc end,
      case when r.rngsubdiff <> 0 then 'subtype_diff = ' || r.rngsubdiff::regproc end,
      'multirange_type_name = ' || format_type(r.rngmultitypid, null)))
    from pg_type t join pg_range r on r.rngtypid = t.oid where t.typnamespace = ${NS}`;

const SEQUENCES = `
  select c.oid, 'sequence', c.oid::regclass::text,
    format('create %ssequence %s as %s %s', case c.relpersistence when 'u' then 'unlogged ' end, c.oid::regclass,
      format_type(s.seqtypid, null), ${sequenceOptions('s')})
    from pg_class c join pg_sequence s on s.seqrelid = c.oid
    where c.relnamespace = ${NS} and ${isOwn('pg_class', 'c.oid')}`;

const FUNCTIONS = `
  select p.oid, case p.prokind when 'p' then 'procedure' else 'function' end, p.oid::regprocedure::text,
    pg_get_functiondef(p.oid) from pg_proc p where p.pronamespace = ${NS} and p.prokind in ('f', 'p')
      and ${isOwn('pg_proc', 'p.oid')}`;

/** A column in `create table`; what a parent table brings is left out. */
const COLUMN = `format('%I %s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
  ${collate('a.attcollation', 'a.atttypid')},
  case when a.attgenerated <> '' then format(' generated always as (%s) %s', pg_get_expr(d.adbin, d.adrelid),
      case a.attgenerated when 's' then 'stored' else 'virtual' end)
    when s.seqrelid is not null then format(' generated %s as identity (sequence name %s %s)',
      case a.attidentity when 'a' then 'always' else 'by default' end, s.seqrelid::regclass, ${sequenceOptions('s')}) end,
  case when a.attnotnull and not exists (select from pg_constraint n
    where n.conrelid = a.attrelid and n.contype = 'n' and n.conkey[1] = a.attnum) then ' not null' end)`;

const TABLES = `
  select c.oid, 'table', c.oid::regclass::text, format('create %stable %s (%s)%s%s%s',
    case c.relpersistence when 'u' then 'unlogged ' end, c.oid::regclass,
    concat_ws(', ',
      (select string_agg(${COLUMN}, ', ' order by a.attnum) from pg_attribute a
        left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        left join pg_depend o on a.attidentity <> '' and o.classid = 'pg_class'::regclass and o.refclassid = o.classid
          and o.refobjid = a.attrelid and o.refobjsubid = a.attnum and o.deptype = 'i'
        left join pg_sequence s on s.seqrelid = o.objid
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and (a.attislocal or c.relispartition)),
      (select string_agg(format('constraint %I %s', con.conname, pg_get_constraintdef(con.oid)), ', ' order by con.conname)
        from pg_constraint con where con.conrelid = c.oid and ${isInTable} and (con.conislocal or c.relispartition))),
    (select format(' inherits (%s)', string_agg(i.inhparent::regclass::text, ', ' order by i.inhseqno))
      from pg_inherits i where i.inhrelid = c.oid and not c.relispartition having count(*) > 0),
    ' partition by ' || pg_get_partkeydef(c.oid),
    ' with (' || nullif(concat_ws(', ', ${options('c.reloptions')},
      ${options('(select t.reloptions from pg_class t where t.oid = c.reltoastrelid)', 'toast.')}), '') || ')')
    from pg_class c where c.relnamespace = ${NS} and c.relkind in ('r', 'p')`;

const PARTITIONS = `
  select c.oid, 'partition', c.oid::regclass::text, format('alter table only %s attach partition %s %s',
    i.inhparent::regclass, c.oid::regclass, pg_get_expr(c.relpartbound, c.oid))
    from pg_class c join pg_inherits i on i.inhrelid = c.oid
    where c.relnamespace = ${NS} and c.relkind in ('r', 'p') and c.relispartition`;

const VIEWS = `
  select c.oid, case c.relkind when 'v' then 'view' else 'materialized view' end, c.oid::regclass::text,
    format('create %s %s%s as %s%s', case c.relkind when 'v' then 'view' else 'materialized view' end, c.oid::regclass,
      ' with (' || ${options('c.reloptions')} || ')', rtrim(pg_get_viewdef(c.oid), ';'),
      case c.relkind when 'm' then ' with no data' end)
    from pg_class c where c.relnamespace = ${NS} and c.relkind in ('v', 'm')`;

/** A column of a table or view, for properties of columns. */
const OF_COLUMN = `from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_type t on t.oid = a.atttypid
  where c.relnamespace = ${NS} and a.attnum > 0 and not a.attisdropped`;
const ALTER_COLUMN = `'alter table ' || case when c.relkind in ('r', 'p') then 'only ' else '' end || c.oid::regclass ||
  ' alter column ' || quote_ident(a.attname)`;
const COLUMN_NAME = `c.oid::regclass || '.' || quote_ident(a.attname)`;

const COLUMNS = `
  select c.oid, 'default', ${COLUMN_NAME}, ${ALTER_COLUMN} || ' set default ' || pg_get_expr(d.adbin, d.adrelid)
    from pg_attrdef d join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
    join pg_class c on c.oid = a.attrelid
    where c.relnamespace = ${NS} and not a.attisdropped and a.attgenerated = ''
  union all
  select c.oid, 'default', ${COLUMN_NAME}, ${ALTER_COLUMN} || ' drop default' ${OF_COLUMN}
    and c.relkind = 'r' and not c.relispartition and not a.attislocal and not a.atthasdef and a.attgenerated = ''
    and exists (select from pg_inherits i join pg_attribute p on p.attrelid = i.inhparent and p.attname = a.attname
      where i.inhrelid = c.oid and p.atthasdef)
  union all
  select c.oid, 'not null', ${COLUMN_NAME}, ${ALTER_COLUMN} || ' set not null' ${OF_COLUMN}
    and c.relkind = 'r' and not c.relispartition and not a.attislocal and a.attnotnull and not exists (
      select from pg_constraint n where n.conrelid = c.oid and n.contype = 'n' and n.conkey[1] = a.attnum)
  union all
  select c.oid, 'storage', ${COLUMN_NAME}, ${ALTER_COLUMN} || ' set storage ' || case a.attstorage
      when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main' else 'extended' end ${OF_COLUMN}
    and c.relkind in ('r', 'p', 'm') and a.attstorage <> t.typstorage
  union all
  select c.oid, 'compression', ${COLUMN_NAME}, ${ALTER_COLUMN} || ' set compression ' || case a.attcompression
      when 'p' then 'pglz' else 'lz4' end ${OF_COLUMN} and c.relkind in ('r', 'p', 'm') and a.attcompression <> ''
  union all
  select c.oid, 'statistics target', ${COLUMN_NAME}, case c.relkind
      when 'i' then format('alter index %s alter column %s', c.oid::regclass, a.attnum)
      when 'I' then format('alter index %s alter column %s', c.oid::regclass, a.attnum)
      else ${ALTER_COLUMN} end || ' set statistics ' || a.attstattarget ${OF_COLUMN}
    and c.relkind in ('r', 'p', 'm', 'i', 'I') and a.attstattarget >= 0
  union all
  select c.oid, 'column options', ${COLUMN_NAME}, ${ALTER_COLUMN} || ' set (' || ${options('a.attoptions')} || ')'
    ${OF_COLUMN} and c.relkind in ('r', 'p', 'm') and a.attoptions is not null
  union all
  select q.oid, 'sequence owner', q.oid::regclass::text, format('alter sequence %s owned by %s.%I', q.oid::regclass,
      d.refobjid::regclass, a.attname)
    from pg_class q join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = q.oid
      and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0 and d.deptype = 'a'
    join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    where q.relnamespace = ${NS} and q.relkind = 'S'`;

const INDEXES = `
  select c.oid, 'index', c.oid::regclass::text, pg_get_indexdef(c.oid)
    from pg_class c join pg_index i on i.indexrelid = c.oid
    where c.relnamespace = ${NS} and (i.indisvalid or c.relkind = 'I')
      and not exists (select from pg_constraint con where con.conindid = c.oid and con.contype in ('p', 'u', 'x'))
  union all
  select con.oid, 'constraint', format('%I on %s', con.conname, con.conrelid::regclass),
    format('alter table only %s add constraint %I %s', con.conrelid::regclass, con.conname, pg_get_constraintdef(con.oid))
    from pg_constraint con where con.connamespace = ${NS} and con.conrelid <> 0 and con.contype in ('p', 'u', 'x')
  union all
  select c.oid, 'index options', c.oid::regclass::text, format('alter index %s set (%s)', c.oid::regclass,
      ${options('c.reloptions')})
    from pg_class c join pg_constraint con on con.conindid = c.oid and con.contype in ('p', 'u', 'x')
    where c.relnamespace = ${NS} and c.reloptions is not null
  union all
  select c.oid, 'index partition', c.oid::regclass::text, format('alter index %s attach partition %s',
      i.inhparent::regclass, c.oid::regclass)
    from pg_class c join pg_inherits i on i.inhrelid = c.oid where c.relnamespace = ${NS} and c.relkind in ('i', 'I')
  union all
  select i.indexrelid, 'clustering', i.indrelid::regclass::text, format('alter table %s cluster on %I', i.indrelid::regclass,
      c.relname)
    from pg_index i join pg_class c on c.oid = i.indexrelid where c.relnamespace = ${NS} and i.indisclustered
  union all
  select c.oid, 'replica identity', c.oid::regclass::text, format('alter table only %s replica identity %s', c.oid::regclass,
      case c.relreplident when 'n' then 'nothing' when 'f' then 'full' else 'using index ' || (select quote_ident(x.relname)
        from pg_index i join pg_class x on x.oid = i.indexrelid where i.indrelid = c.oid and i.indisreplident) end)
    from pg_class c where c.relnamespace = ${NS} and c.relkind in ('r', 'p') and c.relreplident <> 'd'
  union all
  select s.oid, 'statistics', format('%I.%I', 'plugin', s.stxname), pg_get_statisticsobjdef(s.oid)
    from pg_statistic_ext s where s.stxnamespace = ${NS}
  union all
  select s.oid, 'statistics object target', format('%I.%I', 'plugin', s.stxname),
    format('alter statistics %I.%I set statistics %s', 'plugin', s.stxname, s.stxstattarget)
    from pg_statistic_ext s where s.stxnamespace = ${NS} and s.stxstattarget >= 0
  union all
  select c.oid, 'refresh', c.oid::regclass::text, format('refresh materialized view %s', c.oid::regclass)
    from pg_class c where c.relnamespace = ${NS} and c.relkind = 'm' and c.relispopulated`;

/** Foreign keys of partitions follow from those of the partitioned table. */
const CONSTRAINTS = `
  select con.oid, 'constraint', format('%I on %s', con.conname, con.conrelid::regclass),
    format('alter table %s%s add constraint %I %s', case when con.contype <> 'f' and not ${isRelated('c.oid')}
      or con.contype = 'f' and c.relkind = 'r' then 'only ' end, c.oid::regclass, con.conname, pg_get_constraintdef(con.oid))
    from pg_constraint con join pg_class c on c.oid = con.conrelid
    where con.connamespace = ${NS} and con.conparentid = 0 and not ${isInTable}
      and (con.contype = 'f' or con.contype in ('c', 'n') and con.conislocal)
  union all
  select con.oid, 'domain constraint', format('%I on %s', con.conname, format_type(con.contypid, null)),
    format('alter domain %s add constraint %I %s', format_type(con.contypid, null), con.conname, pg_get_constraintdef(con.oid))
    from pg_constraint con where con.connamespace = ${NS} and con.contypid <> 0 and not con.convalidated`;

const firing = (what: string, state: string, name: string) => `'alter table ' || case when c.relkind in ('r', 'p')
    then 'only ' else '' end || c.oid::regclass || case ${state} when 'D' then ' disable ' when 'R' then ' enable replica '
    else ' enable always ' end || '${what} ' || quote_ident(${name})`;

const TRIGGERS = `
  select t.oid, 'trigger', format('%I on %s', t.tgname, t.tgrelid::regclass), pg_get_triggerdef(t.oid)
    from pg_trigger t join pg_class c on c.oid = t.tgrelid
    where c.relnamespace = ${NS} and not t.tgisinternal and t.tgparentid = 0
  union all
  select t.oid, 'trigger state', format('%I on %s', t.tgname, t.tgrelid::regclass), ${firing('trigger', 't.tgenabled', 't.tgname')}
    from pg_trigger t join pg_class c on c.oid = t.tgrelid
    where c.relnamespace = ${NS} and not t.tgisinternal and t.tgenabled <> 'O'
  union all
  select r.oid, 'rule', format('%I on %s', r.rulename, r.ev_class::regclass), rtrim(pg_get_ruledef(r.oid), ';')
    from pg_rewrite r join pg_class c on c.oid = r.ev_class where c.relnamespace = ${NS} and r.rulename <> '_RETURN'
  union all
  select r.oid, 'rule state', format('%I on %s', r.rulename, r.ev_class::regclass), ${firing('rule', 'r.ev_enabled', 'r.rulename')}
    from pg_rewrite r join pg_class c on c.oid = r.ev_class
    where c.relnamespace = ${NS} and r.rulename <> '_RETURN' and r.ev_enabled <> 'O'
  union all
  select p.oid, 'policy', format('%I on %s', p.polname, p.polrelid::regclass),
    format('create policy %I on %s as %s for %s to %s%s%s', p.polname, p.polrelid::regclass,
      case when p.polpermissive then 'permissive' else 'restrictive' end,
      case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
      case when p.polroles = '{0}' then 'public' else 'current_user' end,
      ' using (' || pg_get_expr(p.polqual, p.polrelid) || ')',
      ' with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
    from pg_policy p join pg_class c on c.oid = p.polrelid where c.relnamespace = ${NS}
  union all
  select c.oid, 'row security', c.oid::regclass::text, format('alter table %s enable row level security', c.oid::regclass)
    from pg_class c where c.relnamespace = ${NS} and c.relrowsecurity
  union all
  select c.oid, 'forced row security', c.oid::regclass::text,
    format('alter table %s force row level security', c.oid::regclass)
    from pg_class c where c.relnamespace = ${NS} and c.relforcerowsecurity`;

/** Of everything that is not part of Postgres itself (`FirstNormalObjectId`). */
const COMMENTS = `
  select d.objoid, 'comment', what.kind || ' ' || what.identity || coalesce(what.suffix, ''),
    format('comment on %s %s is %L', what.kind, what.identity, d.description)
    from pg_description d, lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) as o, lateral (select
      case when o.type like '% column' then 'column' when o.type like '% constraint' then 'constraint'
        when o.type = 'statistics object' then 'statistics' else o.type end as kind,
      case when o.type = 'domain constraint' then (select format('%I on domain %s', con.conname, format_type(con.contypid, null))
        from pg_constraint con where con.oid = d.objoid) else o.identity end as identity, null::text as suffix) as what
    where d.objoid >= 16384 and o.type is not null`;

/** In the order in which they run; within one, objects come in the order in which they were made. */
export const SCHEMA_QUERIES: readonly SchemaQuery[] = [
  ...[TYPES, SEQUENCES, FUNCTIONS, TABLES, PARTITIONS].map((text) => query('make', text)),
  ...[VIEWS, COLUMNS].map((text) => query('derive', text)),
  ...[INDEXES, CONSTRAINTS, TRIGGERS, COMMENTS].map((text) => query('finish', text)),
];

function query(stage: Stage, text: string): SchemaQuery {
  return {
    stage,
    text: `select kind, name, sql from (${text}) as made (oid, kind, name, sql) order by oid, kind, name, sql`,
  };
}

/** Tables that hold rows of their own, with the columns that COPY takes and gives. */
export const DATA_TABLES = `
  select c.relname as table, coalesce(array_agg(a.attname::text order by a.attnum)
      filter (where a.attnum is not null), '{}') as columns
    from pg_class c left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      and a.attgenerated = ''
    where c.relnamespace = ${NS} and c.relkind = 'r' group by c.oid, c.relname order by c.oid`;

/** All tables, to lock. */
export const TABLE_NAMES = `select c.oid::regclass::text as name from pg_class c
  where c.relnamespace = ${NS} and c.relkind in ('r', 'p') order by c.oid`;

export const SEQUENCE_NAMES = `select c.relname as name from pg_class c
  where c.relnamespace = ${NS} and c.relkind = 'S' order by c.oid`;
