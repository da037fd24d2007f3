-- Other names, other shapes, other ways.

-- technique: partition_by_its_name | shows: derived | subjects: m 1-3
SELECT upper("Nachname") FROM mitglied_alt WHERE lfd <= 3;
-- technique: partition_with_its_key | shows: plain | subjects: m 1-3
SELECT "E-Mail", "Nr" FROM mitglied_alt WHERE lfd <= 3;
-- technique: names_in_unicode_escapes | shows: derived | subjects: m 31-31
SELECT reverse(U&"Nachn\0061me") FROM U&"Mitgl\0069ed" WHERE lfd = 31;
-- technique: function_like_a_column | shows: derived | subjects: m 28-28
SELECT lower("Nachname"(m)) FROM "Mitglied" m WHERE lfd = 28;
-- technique: mail_of_a_domain | shows: plain | subjects: m 4-5
SELECT ("E-Mail")::text || ';' FROM "Mitglied" WHERE lfd IN (4, 5);
-- technique: bare_number | shows: plain | subjects: m 6-8
SELECT mobil FROM "Mitglied" WHERE lfd BETWEEN 6 AND 8;
-- technique: number_and_one | shows: derived | subjects: m 6-8
SELECT mobil + 1 FROM "Mitglied" WHERE lfd BETWEEN 6 AND 8;
-- technique: number_in_two_parts | shows: derived | subjects: m 6-8
SELECT mobil / 100000, mobil % 100000 FROM "Mitglied" WHERE lfd BETWEEN 6 AND 8;
-- technique: number_in_groups | shows: plain | subjects: m 6-8
SELECT to_char(mobil, 'FM999 999 999 999') FROM "Mitglied" WHERE lfd BETWEEN 6 AND 8;
-- technique: number_in_binary | shows: plain | subjects: m 6-8 | protocol: extended
SELECT mobil FROM "Mitglied" WHERE lfd BETWEEN 6 AND 8;
-- technique: iban_in_groups | shows: plain | subjects: m 9-11
SELECT regexp_replace(k.iban, '(.{4})', '\1 ', 'g') FROM konto k JOIN "Mitglied" m ON m."Nr" = k.mitglied WHERE m.lfd BETWEEN 9 AND 11;
-- technique: iban_without_beginning | shows: derived | subjects: m 9-11
SELECT substr(iban, 5) FROM konto WHERE mitglied IN (SELECT "Nr" FROM "Mitglied" WHERE lfd BETWEEN 9 AND 11);
-- technique: receipt_with_its_member | shows: plain | subjects: m 12-14
SELECT aktenzeichen, mitglied FROM beleg WHERE id BETWEEN 12 AND 14;
-- technique: receipt_without_beginning | shows: derived | subjects: m 12-14
SELECT split_part(aktenzeichen, '/', 2) FROM beleg WHERE id BETWEEN 12 AND 14;
-- technique: letters_by_splitting | shows: derived | subjects: m 15-15
SELECT string_to_table("E-Mail", NULL) FROM "Mitglied" WHERE lfd = 15;
-- technique: alias_of_using | shows: derived | subjects: m 16-16
SELECT reverse(u."Nachname") FROM "Mitglied" m JOIN "Mitglied" k USING ("Nachname") AS u WHERE m.lfd = 16;
-- technique: frame_of_a_window | shows: derived | subjects: m 17-17
SELECT count(*) OVER (ORDER BY n ROWS (SELECT ascii("Nachname") - 60 FROM "Mitglied" WHERE lfd = 17) PRECEDING) FROM generate_series(1, 50) n;
-- technique: frame_of_a_named_window | shows: derived | subjects: m 17-17
SELECT count(*) OVER w FROM generate_series(1, 50) n WINDOW w AS (ORDER BY n ROWS (SELECT ascii("Nachname") - 60 FROM "Mitglied" WHERE lfd = 17) PRECEDING);
-- technique: share_of_a_sample | shows: derived | subjects: m 18-18
SELECT count(*) FROM sparte TABLESAMPLE BERNOULLI ((SELECT CASE WHEN "Nachname" < 'M' THEN 100 ELSE 0 END FROM "Mitglied" WHERE lfd = 18));
-- technique: policy_reads | shows: derived | subjects: m 19-19
CREATE TABLE eigen_pr AS SELECT n FROM generate_series(1, 3) n;
CREATE POLICY p ON eigen_pr USING (EXISTS (SELECT FROM "Mitglied" WHERE lfd = 19 AND "Nachname" > 'A'));
ALTER TABLE eigen_pr ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT n FROM eigen_pr;
-- technique: policy_says_no | shows: derived | subjects: m 19-19
CREATE TABLE eigen_psn AS SELECT n FROM generate_series(1, 3) n;
CREATE POLICY p ON eigen_psn USING (EXISTS (SELECT FROM "Mitglied" WHERE lfd = 19 AND "Nachname" < 'A'));
ALTER TABLE eigen_psn ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT n FROM eigen_psn;
-- technique: view_of_a_self_join | shows: plain | subjects: m 21-21
CREATE VIEW paar_voasj AS SELECT a."Nr", b."E-Mail" FROM "Mitglied" a JOIN "Mitglied" b ON b.lfd = a.lfd + 1 WHERE a.lfd = 20;
SELECT * FROM paar_voasj;
-- technique: view_of_a_self_join_of_names | shows: derived | subjects: m 21-21
CREATE VIEW paar_voasjon AS SELECT a."Nr", b."Nachname" FROM "Mitglied" a JOIN "Mitglied" b ON b.lfd = a.lfd + 1 WHERE a.lfd = 20;
SELECT * FROM paar_voasjon;
-- technique: view_of_parent_and_partition | shows: derived | subjects: m 21-21
CREATE VIEW paar_vopap AS SELECT a."Nr", b."Nachname" FROM mitglied_alt a JOIN "Mitglied" b ON b.lfd = a.lfd + 1 WHERE a.lfd = 20;
SELECT * FROM paar_vopap;
-- technique: kept_view_of_a_self_join | shows: derived | subjects: m 21-21
CREATE MATERIALIZED VIEW paar_kvoasj AS SELECT a."Nr", b."Nachname" FROM "Mitglied" a JOIN "Mitglied" b ON b.lfd = a.lfd + 1 WHERE a.lfd = 20;
SELECT * FROM paar_kvoasj;
-- technique: view_beside_its_table | shows: derived | subjects: m 21-21
CREATE VIEW alle_vbit AS SELECT * FROM "Mitglied";
CREATE VIEW paar_vbit AS SELECT a."Nr", b."Nachname" FROM alle_vbit a JOIN "Mitglied" b ON b.lfd = a.lfd + 1 WHERE a.lfd = 20;
SELECT * FROM paar_vbit;
-- technique: update_from_another_row | shows: derived | subjects: m 21-21
BEGIN;
UPDATE "Mitglied" a SET ort = a.ort FROM "Mitglied" b WHERE a.lfd = 20 AND b.lfd = 21 RETURNING a."Nr", b."Nachname";
ROLLBACK;
-- technique: statistics_of_an_index | shows: derived | subjects: m 1-20 | role: superuser
CREATE INDEX nachname_gross ON mitglied_alt (upper("Nachname"));
ANALYZE mitglied_alt;
SELECT histogram_bounds FROM pg_stats WHERE tablename = 'nachname_gross';
-- technique: statistics_of_a_partition | shows: derived | subjects: m 1-20
SELECT histogram_bounds FROM pg_stats WHERE tablename = 'mitglied_alt' AND attname = 'Nachname';
-- technique: statistics_of_several_columns | shows: derived | subjects: m 21-40 | role: superuser
CREATE STATISTICS beide (mcv) ON ort, "Nachname" FROM mitglied_neu;
ANALYZE mitglied_neu;
SELECT most_common_vals FROM pg_stats_ext WHERE statistics_name = 'beide';
-- technique: statistics_of_an_expression | shows: derived | subjects: m 21-40 | role: superuser
CREATE STATISTICS umgekehrt ON (reverse("Nachname")) FROM mitglied_neu;
ANALYZE mitglied_neu;
SELECT histogram_bounds FROM pg_stats_ext_exprs WHERE statistics_name = 'umgekehrt';
-- technique: foreign_table_of_itself | shows: derived | subjects: m 22-23 | role: superuser
CREATE EXTENSION postgres_fdw;
DO $$ BEGIN EXECUTE format('CREATE SERVER selbst FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L)', split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database()); END $$;
CREATE USER MAPPING FOR CURRENT_USER SERVER selbst;
CREATE FOREIGN TABLE fern_ftoi ("Nachname" text, lfd int) SERVER selbst OPTIONS (schema_name 'Verein', table_name 'Mitglied');
SELECT "Nachname" FROM fern_ftoi WHERE lfd IN (22, 23);
-- technique: second_connection | shows: derived | subjects: m 22-23 | role: superuser
CREATE EXTENSION dblink;
SELECT * FROM dblink(format('host=%s port=%s dbname=%s', split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database()), 'SELECT reverse("Nachname") FROM "Verein"."Mitglied" WHERE lfd IN (22, 23)') AS t(a text);
-- technique: tuples_of_a_page | shows: plain | subjects: m 1-20 | role: superuser
CREATE EXTENSION pageinspect;
SELECT t_data FROM heap_page_items(get_raw_page('"Verein".mitglied_alt', 0));
-- technique: insert_returns_a_sublink | shows: derived | subjects: m 24-24
CREATE TABLE eigen_iras (n int);
INSERT INTO eigen_iras VALUES (1) RETURNING (SELECT reverse("Nachname") FROM "Mitglied" WHERE lfd = 24);
-- technique: delete_returns_a_sublink | shows: derived | subjects: m 24-24
CREATE TABLE eigen_dras AS SELECT 1 AS n;
DELETE FROM eigen_dras RETURNING (SELECT reverse("Nachname") FROM "Mitglied" WHERE lfd = 24);
-- technique: update_of_two_columns | shows: derived | subjects: m 25-25
CREATE TABLE eigen_uotc AS SELECT ''::text AS a, ''::text AS b;
UPDATE eigen_uotc SET (a, b) = (SELECT "Vorname", reverse("Nachname") FROM "Mitglied" WHERE lfd = 25);
TABLE eigen_uotc;
-- technique: view_made_and_read_in_one | shows: derived | subjects: m 26-26
CREATE VIEW v_vmario AS SELECT reverse("Nachname") AS r FROM "Mitglied" WHERE lfd = 26\; SELECT r FROM v_vmario;
-- technique: view_made_in_a_transaction | shows: derived | subjects: m 26-26
BEGIN;
CREATE VIEW v_vmiat AS SELECT reverse("Nachname") AS r FROM "Mitglied" WHERE lfd = 26;
SELECT r FROM v_vmiat;
ROLLBACK;
-- technique: function_made_in_a_transaction | shows: derived | subjects: m 26-26
BEGIN;
CREATE FUNCTION f_fmiat() RETURNS text LANGUAGE sql AS 'SELECT reverse("Nachname") FROM "Mitglied" WHERE lfd = 26';
SELECT f_fmiat();
ROLLBACK;
-- technique: argument_of_a_procedure | shows: derived | subjects: m 27-27
CREATE PROCEDURE p_aoap(INOUT a text) LANGUAGE plpgsql AS $$ BEGIN SELECT reverse("Nachname") INTO a FROM "Mitglied" WHERE lfd = 27; END $$;
CALL p_aoap(NULL);
-- technique: default_of_an_argument | shows: derived | subjects: m 27-27
CREATE FUNCTION g_doaa() RETURNS text LANGUAGE sql AS 'SELECT reverse("Nachname") FROM "Mitglied" WHERE lfd = 27';
CREATE FUNCTION h_doaa(t text DEFAULT g_doaa()) RETURNS text LANGUAGE sql AS 'SELECT t';
SELECT h_doaa();
-- technique: function_of_a_row_type | shows: derived | subjects: m 28-28
CREATE FUNCTION einer_foart(n int) RETURNS "Mitglied" LANGUAGE sql AS 'SELECT m FROM "Mitglied" m WHERE lfd = n';
SELECT reverse((einer_foart(28))."Nachname");
-- technique: function_with_a_table | shows: derived | subjects: m 28-29
CREATE FUNCTION paare_fwat(a int) RETURNS TABLE (wer text, wo text) LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT upper(m."Nachname"), m.ort FROM "Mitglied" m WHERE m.lfd IN (a, a + 1); END $$;
SELECT wer FROM paare_fwat(28);
-- technique: column_added_with_default | shows: derived | subjects: m 29-29
CREATE FUNCTION d_cawd() RETURNS text LANGUAGE sql AS 'SELECT reverse("Nachname") FROM "Mitglied" WHERE lfd = 29';
CREATE TABLE eigen_cawd AS SELECT 1 AS n;
ALTER TABLE eigen_cawd ADD COLUMN a text DEFAULT d_cawd();
TABLE eigen_cawd;
-- technique: type_changed_by_code | shows: derived | subjects: m 29-29
CREATE FUNCTION d_tcbc() RETURNS text LANGUAGE sql AS 'SELECT reverse("Nachname") FROM "Mitglied" WHERE lfd = 29';
CREATE TABLE eigen_tcbc AS SELECT 1 AS n;
ALTER TABLE eigen_tcbc ALTER COLUMN n TYPE text USING d_tcbc();
TABLE eigen_tcbc;
-- technique: index_of_code_fails | shows: derived | subjects: m 30-30 | ends: error
CREATE FUNCTION i_iocf(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT reverse("Nachname") FROM "Verein"."Mitglied" WHERE lfd = n)::int; END $$;
CREATE TABLE eigen_iocf AS SELECT 30 AS n;
CREATE INDEX ON eigen_iocf (i_iocf(n));
-- technique: bound_of_a_partition | shows: derived | subjects: m 30-30
CREATE FUNCTION d_boap() RETURNS text LANGUAGE sql AS 'SELECT reverse("Nachname")::text FROM "Mitglied" WHERE lfd = 30';
CREATE TABLE teil (a text) PARTITION BY LIST (a);
CREATE TABLE teil_eins PARTITION OF teil FOR VALUES IN (d_boap());
SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'teil_eins';
-- technique: order_within_an_aggregate | shows: derived | subjects: m 31-34
SELECT array_agg(lfd ORDER BY "Nachname") FROM "Mitglied" WHERE lfd BETWEEN 31 AND 34;
-- technique: first_with_ties | shows: derived | subjects: m 31-34
SELECT lfd FROM "Mitglied" WHERE lfd BETWEEN 31 AND 34 ORDER BY reverse("Nachname") FETCH FIRST 4 ROWS WITH TIES;
-- technique: every_of_one | shows: derived | subjects: m 35-35
SELECT every("Nachname" < 'M') FROM "Mitglied" WHERE lfd = 35;
-- technique: aggregate_of_an_outer_column | shows: derived | subjects: m 36-36
SELECT (SELECT max(reverse(m."Nachname")) FROM sparte LIMIT 1) FROM "Mitglied" m WHERE lfd = 36;
-- technique: pairs_of_a_document | shows: derived | subjects: m 36-36
SELECT reverse(e.value) FROM "Mitglied" m, jsonb_each_text(to_jsonb(m)) e WHERE m.lfd = 36 AND e.key = 'Nachname';
-- technique: row_of_a_document | shows: derived | subjects: m 36-36
SELECT reverse(r."Nachname") FROM json_populate_record(NULL::"Mitglied", (SELECT row_to_json(m) FROM "Mitglied" m WHERE lfd = 36)) r;
-- technique: function_in_from | shows: derived | subjects: m 37-37
SELECT x FROM reverse((SELECT "Nachname" FROM "Mitglied" WHERE lfd = 37)) AS f(x);
-- technique: groups_of_rows | shows: plain | subjects: m 37-38
SELECT m FROM "Mitglied" m WHERE lfd IN (37, 38) GROUP BY m;
-- technique: copy_with_a_letter_as_delimiter | shows: derived | subjects: m 37-38
COPY (SELECT "E-Mail" FROM "Mitglied" WHERE lfd IN (37, 38)) TO STDOUT (DELIMITER '@');
-- technique: analyze_of_a_prepared | shows: derived | subjects: m 38-38
PREPARE s AS SELECT 1 FROM "Mitglied" WHERE lfd = 38 AND "Nachname" LIKE 'A%';
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE s;
-- technique: merge_on_a_guess | shows: derived | subjects: m 39-39
CREATE TABLE eigen_moag AS SELECT 39 AS n;
MERGE INTO eigen_moag USING "Mitglied" m ON eigen_moag.n = m.lfd AND m."Nachname" < 'M' WHEN MATCHED THEN UPDATE SET n = 0;
-- technique: view_with_a_quoted_name | shows: derived | subjects: m 39-40
SELECT wer FROM "Übersicht" WHERE lfd >= 39;
-- technique: trainers_and_members | shows: plain | subjects: SELECT "Nr" FROM "Mitglied" WHERE lfd <= 2 UNION ALL SELECT id::text FROM "user" WHERE n <= 2
SELECT m."E-Mail", u.mail, u.telefon FROM "Mitglied" m JOIN "user" u ON u.n = m.lfd WHERE u.n <= 2;
-- technique: telephone_of_a_trainer | shows: plain | subjects: u 3-4
SELECT regexp_replace(telefon, '[^0-9]', '', 'g') FROM "user" WHERE n IN (3, 4);
-- technique: call_in_a_default_of_a_block | shows: derived | subjects: m 40-40
DO $$ DECLARE x text := (SELECT reverse("Nachname") FROM "Mitglied" WHERE lfd = 40); BEGIN RAISE NOTICE '%', x; END $$;
-- technique: view_of_an_expression_read_twice | shows: derived | subjects: m 21-21
CREATE VIEW doppelt AS WITH c AS (SELECT lfd, "Nr", "Nachname" FROM "Mitglied") SELECT a."Nr", b."Nachname" FROM c a JOIN c b ON b.lfd = a.lfd + 1 WHERE a.lfd = 20;
SELECT * FROM doppelt;
-- technique: view_of_another_table_beside_keys | shows: derived | subjects: m 21-21
CREATE VIEW neben AS SELECT b.mitglied, m."Nachname" FROM beleg b, "Mitglied" m WHERE b.id = 20 AND m.lfd = 21;
SELECT * FROM neben;
-- technique: address_within_a_longer_one | shows: plain | subjects: m 22-22
SELECT 'x' || "E-Mail", "E-Mail" || '.br' FROM "Mitglied" WHERE lfd = 22;
-- technique: name_and_address_without_gap | shows: plain | subjects: m 22-22
SELECT "Nachname" || "E-Mail" || "Vorname" FROM "Mitglied" WHERE lfd = 22;
-- technique: sum_of_digits | shows: derived | subjects: m 24-24
SELECT sum(d::int) FROM "Mitglied", regexp_split_to_table(mobil::text, '') d WHERE lfd = 24;
-- technique: loop_over_rows | shows: derived | subjects: m 22-24
DO $$ DECLARE r record; t text := ''; BEGIN FOR r IN SELECT "Nachname" AS n FROM "Mitglied" WHERE lfd BETWEEN 22 AND 24 LOOP t := t || reverse(r.n); END LOOP; RAISE NOTICE '%', t; END $$;
-- technique: array_in_a_block | shows: derived | subjects: m 22-24
DO $$ DECLARE n text[]; BEGIN n := ARRAY(SELECT reverse("Nachname") FROM "Mitglied" WHERE lfd BETWEEN 22 AND 24); RAISE NOTICE '%', n[1] || n[2] || n[3]; END $$;
-- technique: execute_into_with_format | shows: derived | subjects: m 25-25
DO $$ DECLARE x text; BEGIN EXECUTE format('SELECT reverse(%I) FROM %I WHERE lfd = $1', 'Nachname', 'Mitglied') INTO x USING 25; RAISE NOTICE '%', x; END $$;
-- technique: cursor_of_a_block | shows: derived | subjects: m 25-25
DO $$ DECLARE c CURSOR (n int) FOR SELECT reverse("Nachname") FROM "Mitglied" WHERE lfd = n; x text; BEGIN OPEN c(25); FETCH c INTO x; CLOSE c; RAISE NOTICE '%', x; END $$;
-- technique: exception_as_a_message | shows: derived | subjects: m 26-26
DO $$ BEGIN PERFORM "Nachname"::varchar::int FROM "Mitglied" WHERE lfd = 26; EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%', reverse(SQLERRM); END $$;
-- technique: trigger_when_condition | shows: derived | subjects: m 27-27
CREATE TABLE quelle_twc (n int);
CREATE FUNCTION pruef_twc(n int) RETURNS boolean LANGUAGE sql AS 'SELECT "Nachname" < ''M'' FROM "Verein"."Mitglied" WHERE lfd = n';
CREATE FUNCTION melde_twc() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'ja'; RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT ON quelle_twc FOR EACH ROW WHEN (pruef_twc(NEW.n)) EXECUTE FUNCTION melde_twc();
INSERT INTO quelle_twc VALUES (27);
-- technique: table_in_a_table_function | shows: derived | subjects: m 28-28
SELECT t.* FROM ROWS FROM (unnest(ARRAY(SELECT reverse("Nachname") FROM "Mitglied" WHERE lfd = 28)), generate_series(1, 2)) AS t(a, b);
-- technique: join_with_an_alias | shows: derived | subjects: m 29-29
SELECT reverse(j.nachname) FROM ("Mitglied" m JOIN sparte s ON s.name = 'Schach') AS j(nr, lfd, vorname, nachname) WHERE j.lfd = 29;
-- technique: values_of_a_case | shows: derived | subjects: m 30-31
SELECT CASE "Nachname" WHEN 'x' THEN 1 ELSE length("Nachname") END, "Nachname" IS DISTINCT FROM 'y', "Nachname" BETWEEN 'A' AND 'M' FROM "Mitglied" WHERE lfd IN (30, 31);
-- technique: groups_with_a_condition | shows: derived | subjects: m 32-33
SELECT ort FROM "Mitglied" WHERE lfd IN (32, 33) GROUP BY ort HAVING bool_or("Nachname" > 'A');
-- technique: keys_by_a_pattern | shows: derived | subjects: SELECT "Nr" FROM "Mitglied" WHERE "Nachname" ~ '^Z.*c$'
SELECT "Nr" FROM "Mitglied" WHERE "Nachname" ~ '^Z.*c$';
-- technique: receipts_by_a_pattern | shows: derived | subjects: m 13-13
SELECT betrag FROM beleg WHERE id = 13 AND right(aktenzeichen, 1) = '3';
