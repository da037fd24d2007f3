-- What must disclose nobody there.

-- technique: members_a_partition | shows: nothing
SELECT tableoid::regclass, count(*) FROM "Mitglied" GROUP BY 1 ORDER BY 1;
-- technique: key_and_date | shows: nothing
SELECT "Nr", beitritt, ort FROM "Mitglied" WHERE lfd = 1;
-- technique: sums_a_day | shows: nothing
SELECT am, sum(betrag), avg(betrag) FROM beleg GROUP BY am ORDER BY am LIMIT 5;
-- technique: receipts_a_member | shows: nothing
SELECT mitglied, count(*) FROM beleg GROUP BY mitglied ORDER BY 1 LIMIT 5;
-- technique: median_of_amounts | shows: nothing
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY betrag), stddev(betrag) FROM beleg;
-- technique: places_as_array | shows: nothing
SELECT array_agg(DISTINCT ort ORDER BY ort) FROM "Mitglied";
-- technique: counts_as_document | shows: nothing
SELECT json_object_agg(ort, n) FROM (SELECT ort, count(*) AS n FROM "Mitglied" GROUP BY ort) x;
-- technique: counts_beside_days | shows: nothing
WITH RECURSIVE tage(d) AS (SELECT date '2023-01-01' UNION ALL SELECT d + 1 FROM tage WHERE d < '2023-01-05')
SELECT d, count(b.id) FROM tage LEFT JOIN beleg b ON b.am = d GROUP BY d ORDER BY d;
-- technique: growth_of_counts | shows: nothing
SELECT jahr, n, lag(n) OVER (ORDER BY jahr), row_number() OVER () FROM (SELECT date_part('year', beitritt) AS jahr, count(*) AS n FROM "Mitglied" GROUP BY 1) x ORDER BY 1;
-- technique: years_since | shows: nothing
SELECT ort, avg(date '2024-01-01' - beitritt) FROM "Mitglied" GROUP BY ort ORDER BY 1;
-- technique: any_receipt_of_one | shows: nothing
SELECT EXISTS (SELECT 1 FROM beleg b JOIN "Mitglied" m ON m."Nr" = b.mitglied WHERE m.lfd = 3);
-- technique: without_number_by_place | shows: nothing
SELECT ort, count(*) FILTER (WHERE mobil IS NULL), count(mobil) FROM "Mitglied" GROUP BY ort ORDER BY 1;
-- technique: new_member | shows: nothing
BEGIN;
INSERT INTO "Mitglied" VALUES ('Z/9', 900, 'Neu', 'Neumann', 'neu@nirgends.example', 499999999, 'Ulm', '2024-01-01') RETURNING "Nr";
ROLLBACK;
-- technique: new_address_by_key | shows: nothing
BEGIN;
UPDATE "Mitglied" SET "E-Mail" = 'anders@nirgends.example' WHERE lfd = 5;
UPDATE "Mitglied" SET ort = upper(ort) WHERE lfd = 5 RETURNING ort, beitritt;
ROLLBACK;
-- technique: receipt_deleted | shows: nothing
BEGIN;
DELETE FROM beleg WHERE id = 3 RETURNING id, betrag;
ROLLBACK;
-- technique: index_on_protected | shows: nothing | role: superuser
CREATE INDEX zeichen ON beleg (lower(aktenzeichen));
REINDEX INDEX zeichen;
DROP INDEX zeichen;
-- technique: describe_all | shows: nothing
\d+ "Mitglied"
\d mitglied_alt
\d+ "Übersicht"
\dp
\df
-- technique: definitions | shows: nothing
SELECT indexdef FROM pg_indexes WHERE schemaname = 'Verein';
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = '"Verein"'::regnamespace;
SELECT pg_get_viewdef('"Übersicht"'::regclass);
-- technique: statistics_of_places | shows: nothing
SELECT tablename, most_common_vals, most_common_freqs FROM pg_stats WHERE schemaname = 'Verein' AND attname IN ('ort', 'betrag', 'am');
-- technique: statistics_of_others_tables | shows: nothing
SELECT attname, histogram_bounds FROM pg_stats WHERE tablename = 'pg_class' LIMIT 20;
-- technique: policy_of_nobody | shows: nothing
CREATE TABLE eigen_pon AS SELECT n FROM generate_series(1, 3) n;
CREATE POLICY p ON eigen_pon USING (n < 3);
ALTER TABLE eigen_pon ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT n FROM eigen_pon;
-- technique: own_partitions | shows: nothing
CREATE TABLE teil (a text) PARTITION BY LIST (a);
CREATE TABLE teil_eins PARTITION OF teil FOR VALUES IN (lower('X'));
INSERT INTO teil VALUES ('x') RETURNING a;
SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'teil_eins';
-- technique: own_column_with_default | shows: nothing
CREATE FUNCTION h_ocwd(t text DEFAULT 'leer') RETURNS text LANGUAGE sql AS 'SELECT t';
CREATE TABLE eigen_ocwd AS SELECT 1 AS n;
ALTER TABLE eigen_ocwd ADD COLUMN a text DEFAULT h_ocwd();
TABLE eigen_ocwd;
-- technique: cursor_over_counts | shows: nothing
BEGIN;
DECLARE c CURSOR FOR SELECT ort, count(*) FROM "Mitglied" GROUP BY ort;
FETCH ALL FROM c;
COMMIT;
-- technique: lock_of_a_table | shows: nothing
BEGIN;
LOCK TABLE beleg IN SHARE MODE;
ROLLBACK;
-- technique: analyze_of_a_count | shows: nothing
EXPLAIN (ANALYZE, VERBOSE, TIMING OFF, SUMMARY OFF) SELECT ort, count(*) FROM "Mitglied" GROUP BY ort;
-- technique: sample_of_amounts | shows: nothing
SELECT count(*) >= 0 FROM beleg TABLESAMPLE BERNOULLI (50);
-- technique: frame_of_amounts | shows: nothing
SELECT am, sum(sum(betrag)) OVER (ORDER BY am ROWS 2 PRECEDING) FROM beleg GROUP BY am ORDER BY am LIMIT 4;
-- technique: addresses_that_are_nobodys | shows: nothing
SELECT 'mitglied-9999@verein.example', 'niemand@post.example', 'mitglied-@verein.example', '491711111111', 'RE-2023/9999999';
-- technique: block_without_persons | shows: nothing
DO $$ DECLARE n int := 0; r record; BEGIN FOR r IN SELECT name FROM sparte LOOP n := n + length(r.name); END LOOP; RAISE NOTICE '%', n; END $$;
-- technique: trigger_with_a_condition | shows: nothing
CREATE TABLE quelle_twac (n int);
CREATE FUNCTION melde_twac() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'ja'; RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT ON quelle_twac FOR EACH ROW WHEN (NEW.n > 3) EXECUTE FUNCTION melde_twac();
INSERT INTO quelle_twac VALUES (27) RETURNING n;
-- technique: keys_of_a_place | shows: nothing
SELECT "Nr", ort FROM "Mitglied" WHERE ort = 'Ulm' AND beitritt > '2022-01-01' ORDER BY beitritt LIMIT 3;
-- technique: newest_receipts | shows: nothing
SELECT id, betrag, am FROM beleg ORDER BY am DESC, id LIMIT 5;
-- technique: members_with_receipts | shows: nothing
SELECT count(DISTINCT m."Nr") FROM "Mitglied" m JOIN beleg b ON b.mitglied = m."Nr" WHERE b.betrag > 50;
