//! What a [`super::Schema`] is read with; with an empty `search_path`, so that names come qualified.

/// Selects the columns of the relations `$1` oid[] ([`super::Schema::relations_wanted`]) and of `pg_stats`.
/// Columns: `oid` oid, `schema` text, `name` text, `attnum` smallint, `column` text, `unique` boolean,
/// `type` oid (for a domain its base type), `generated` boolean.
pub const LINEAGE_COLUMNS_SQL: &str = "\
SELECT c.oid, n.nspname::text, c.relname::text, a.attnum, a.attname::text, EXISTS (\
SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indnkeyatts = 1 \
AND i.indkey[0] = a.attnum AND i.indpred IS NULL), \
coalesce(nullif(b.typbasetype, 0), nullif(t.typbasetype, 0), a.atttypid), a.attgenerated <> '' \
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid \
LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype \
WHERE (c.oid = ANY ($1::oid[]) OR c.oid = 'pg_catalog.pg_stats'::pg_catalog.regclass) \
AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.oid, a.attnum";

/// Selects the queries of those of the relations `$1` oid[] that are views, as SQL. Columns: `oid` oid,
/// `query` text.
pub const LINEAGE_VIEWS_SQL: &str = "\
SELECT c.oid, pg_catalog.pg_get_viewdef(c.oid) FROM pg_catalog.pg_class c \
WHERE c.oid = ANY ($1::oid[]) AND c.relkind IN ('v', 'm')";

/// Selects the expressions of the indexes of the relations `$1` oid[]. Columns: `oid` oid of the relation, `schema`
/// text and `name` text of the index, `column` text of the index, `expression` text.
pub const LINEAGE_INDEXES_SQL: &str = "\
SELECT i.indrelid, n.nspname::text, x.relname::text, a.attname::text, \
pg_catalog.pg_get_indexdef(i.indexrelid, a.attnum::int, false) \
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace \
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indexrelid \
WHERE i.indrelid = ANY ($1::oid[]) AND i.indkey[a.attnum - 1] = 0";

/// Selects the names that protected relations, `$1` oid[], share with others: a session's search_path decides
/// which is meant. Columns: `name` text.
pub const LINEAGE_NAMESAKES_SQL: &str = "\
SELECT DISTINCT o.relname::text FROM pg_catalog.pg_class c \
JOIN pg_catalog.pg_class o ON o.relname = c.relname AND o.oid <> ALL ($1::oid[]) \
WHERE c.oid = ANY ($1::oid[]) AND o.relkind IN ('r', 'p', 'v', 'm', 'f')";

/// Selects the routines that matter: aggregates, volatile ones, and all that do not belong to PostgreSQL
/// itself. No parameter. Columns: `name` text, `aggregate` boolean, `volatile` boolean, `language` text,
/// `own` boolean (made by a user), `source` text (the whole definition in SQL and PL/pgSQL; of an aggregate
/// the names of its functions).
pub const LINEAGE_ROUTINES_SQL: &str = "\
SELECT p.proname::text, p.prokind = 'a', p.provolatile = 'v', l.lanname::text, p.oid >= 16384, \
CASE WHEN p.oid < 16384 THEN '' \
WHEN p.prokind IN ('f', 'p') AND l.lanname IN ('sql', 'plpgsql') THEN pg_catalog.pg_get_functiondef(p.oid) \
WHEN p.prokind = 'a' THEN (SELECT pg_catalog.concat_ws(' ', g.aggtransfn, g.aggfinalfn, g.aggcombinefn) \
FROM pg_catalog.pg_aggregate g WHERE g.aggfnoid = p.oid) \
ELSE coalesce(p.prosrc, '') END \
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
WHERE p.oid >= 16384 OR p.prokind = 'a' OR p.provolatile = 'v'";

/// Selects what calls functions or runs statements without naming them in a statement's text. No parameter.
/// Columns: `kind` text, `schema` text and `name` text of the relation, operator or type, `source` text,
/// `columns` text[] of the relation. Kinds: `view`, `rule`, `trigger`, `policy`, `default` and `computed` (on
/// INSERT; on UPDATE too), `operator`, `type`; and `foreign` tables, which run what nobody sees.
pub const LINEAGE_CODE_SQL: &str = "\
WITH calls AS (SELECT DISTINCT d.classid, d.objid FROM pg_catalog.pg_depend d \
WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refobjid >= 16384), \
found AS (\
SELECT 'view' AS kind, r.ev_class AS relation, pg_catalog.pg_get_viewdef(r.ev_class) AS source \
FROM pg_catalog.pg_rewrite r WHERE r.rulename = '_RETURN' AND r.ev_class >= 16384 \
AND (EXISTS (SELECT FROM calls c WHERE c.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass \
AND c.objid = r.oid) OR EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class v \
ON v.oid = d.refobjid AND v.relkind IN ('v', 'm') WHERE d.objid = r.oid AND v.oid <> r.ev_class \
AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass \
AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass)) \
UNION ALL \
SELECT 'rule', r.ev_class, pg_catalog.pg_get_ruledef(r.oid) FROM pg_catalog.pg_rewrite r \
WHERE r.rulename <> '_RETURN' AND r.ev_class >= 16384 \
UNION ALL \
SELECT 'foreign', c.oid, c.relname::text FROM pg_catalog.pg_class c WHERE c.relkind = 'f' \
UNION ALL \
SELECT 'policy', p.polrelid, pg_catalog.pg_get_expr(p.polqual, p.polrelid) FROM pg_catalog.pg_policy p \
UNION ALL \
SELECT 'computed', p.polrelid, pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) \
FROM pg_catalog.pg_policy p \
UNION ALL \
SELECT 'trigger', t.tgrelid, pg_catalog.pg_get_triggerdef(t.oid) FROM pg_catalog.pg_trigger t \
WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' \
UNION ALL \
SELECT CASE WHEN a.attgenerated = '' THEN 'default' ELSE 'computed' END, f.adrelid, \
pg_catalog.pg_get_expr(f.adbin, f.adrelid) \
FROM calls c JOIN pg_catalog.pg_attrdef f ON f.oid = c.objid \
JOIN pg_catalog.pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum \
WHERE c.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass \
UNION ALL \
SELECT 'computed', k.conrelid, pg_catalog.pg_get_expr(k.conbin, k.conrelid) \
FROM calls c JOIN pg_catalog.pg_constraint k ON k.oid = c.objid \
WHERE c.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.contype = 'c' AND k.conrelid <> 0 \
UNION ALL \
SELECT 'computed', i.indrelid, pg_catalog.concat_ws(', ', pg_catalog.pg_get_expr(i.indexprs, i.indrelid), \
pg_catalog.pg_get_expr(i.indpred, i.indrelid)) FROM calls c JOIN pg_catalog.pg_index i ON i.indexrelid = c.objid \
WHERE c.classid = 'pg_catalog.pg_class'::pg_catalog.regclass) \
SELECT f.kind, n.nspname::text, r.relname::text, f.source, (SELECT pg_catalog.array_agg(a.attname::text \
ORDER BY a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = r.oid AND a.attnum > 0 \
AND NOT a.attisdropped) FROM found f JOIN pg_catalog.pg_class r ON r.oid = f.relation \
JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace WHERE f.source <> '' \
UNION ALL \
SELECT 'operator', '', o.oprname::text, p.proname::text, NULL FROM pg_catalog.pg_operator o \
JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode WHERE p.oid >= 16384 \
UNION ALL \
SELECT 'type', '', t.typname::text, p.proname::text, NULL FROM pg_catalog.pg_cast k \
JOIN pg_catalog.pg_type t ON t.oid = k.casttarget JOIN pg_catalog.pg_proc p ON p.oid = k.castfunc \
WHERE p.oid >= 16384 \
UNION ALL \
SELECT 'type', '', t.typname::text, p.proname::text, NULL FROM pg_catalog.pg_constraint k \
JOIN pg_catalog.pg_type t ON t.oid = k.contypid JOIN pg_catalog.pg_depend d ON d.objid = k.oid \
AND d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass \
AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
JOIN pg_catalog.pg_proc p ON p.oid = d.refobjid WHERE p.oid >= 16384";
