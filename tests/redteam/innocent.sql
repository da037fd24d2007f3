-- What must disclose nobody.

-- technique: count | shows: nothing
SELECT count(*) FROM pacientes;
-- technique: count_by_language | shows: nothing
SELECT lingua, count(*) FROM pacientes GROUP BY lingua ORDER BY 1;
-- technique: newest_enrolment | shows: nothing
SELECT max(inscrito), min(inscrito) FROM pacientes;
-- technique: explain | shows: nothing
EXPLAIN SELECT * FROM pacientes WHERE registo = 3;
-- technique: select_one | shows: nothing
SELECT 1;
-- technique: exists_by_key | shows: nothing
SELECT EXISTS (SELECT 1 FROM funcionarios WHERE matricula = 9000007919);
-- technique: unprotected_table | shows: nothing
SELECT * FROM servicos;
-- technique: catalogue | shows: nothing
SELECT relname, relkind FROM pg_class WHERE relnamespace = 'atendimento'::regnamespace;
-- technique: count_distinct_cohort | shows: nothing
SELECT count(DISTINCT concelho) FROM pacientes;
-- technique: count_with_join | shows: nothing
SELECT c.medico, count(*) FROM consultas c JOIN pacientes p ON p.codigo = c.codigo_paciente GROUP BY c.medico ORDER BY 1;
-- technique: count_open | shows: nothing
SELECT count(*) FROM consultas WHERE estado = 'aberta';
-- technique: newest_appointment | shows: nothing
SELECT max(marcada) FROM consultas;
-- technique: appointments_a_day | shows: nothing
SELECT date_trunc('day', marcada), count(*) FROM consultas GROUP BY 1 ORDER BY 1 LIMIT 5;
-- technique: average_per_cohort | shows: nothing
SELECT concelho, avg(n) FROM (SELECT p.concelho, count(*) AS n FROM pacientes p JOIN consultas c ON c.codigo_paciente = p.codigo GROUP BY p.codigo, p.concelho) x GROUP BY concelho ORDER BY 1;
-- technique: rollup | shows: nothing
SELECT lingua, concelho, count(*) FROM pacientes GROUP BY ROLLUP (lingua, concelho) ORDER BY 1, 2;
-- technique: having_count | shows: nothing
SELECT concelho FROM pacientes GROUP BY concelho HAVING count(*) > 3 ORDER BY 1;
-- technique: exists_any | shows: nothing
SELECT EXISTS (SELECT 1 FROM pacientes);
-- technique: count_extended | shows: nothing | protocol: extended
SELECT count(*) FROM pacientes WHERE lingua = 'pt';
-- technique: explain_analyze | shows: nothing
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM pacientes;
-- technique: explain_json | shows: nothing
EXPLAIN (FORMAT json) SELECT correio FROM pacientes;
-- technique: server_version | shows: nothing
SELECT version(), current_user, current_database();
-- technique: show_settings | shows: nothing
SHOW server_version;
SHOW search_path;
-- technique: all_settings | shows: nothing
SELECT name, setting FROM pg_settings WHERE name LIKE 'max%';
-- technique: columns_of_table | shows: nothing
SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'pacientes' ORDER BY ordinal_position;
-- technique: psql_describe | shows: nothing
\d pacientes
-- technique: psql_list | shows: nothing
\dt
\dn
\du equipa_vermelha
-- technique: sizes | shows: nothing
SELECT pg_relation_size('pacientes'), pg_size_pretty(pg_database_size(current_database())) IS NOT NULL;
-- technique: activity_count | shows: nothing
SELECT count(*) FROM pg_stat_activity;
-- technique: table_statistics | shows: nothing
SELECT relname, n_live_tup > 0 FROM pg_stat_user_tables ORDER BY 1;
-- technique: statistics_of_others | shows: nothing
SELECT most_common_vals FROM pg_stats WHERE tablename = 'pacientes' AND attname = 'concelho';
-- technique: locks | shows: nothing
SELECT mode, count(*) FROM pg_locks GROUP BY mode;
-- technique: begin_and_commit | shows: nothing
BEGIN;
COMMIT;
-- technique: savepoints | shows: nothing
BEGIN;
SAVEPOINT a;
ROLLBACK TO a;
ROLLBACK;
-- technique: prepared_constant | shows: nothing
PREPARE s (int) AS SELECT $1 * 2;
EXECUTE s (21);
-- technique: cursor_over_series | shows: nothing
BEGIN;
DECLARE c CURSOR FOR SELECT n FROM generate_series(1, 100) n;
FETCH 10 FROM c;
COMMIT;
-- technique: own_table | shows: nothing
CREATE TABLE notas (a text, nome text, correio text);
INSERT INTO notas VALUES ('x', 'Ninguém', 'ninguem@nenhures.example');
SELECT * FROM notas;
-- technique: own_json | shows: nothing
SELECT json_build_object('nome', 'Ninguém', 'correio', 'ninguem@nenhures.example', 'tel', '+351 999 000 111');
-- technique: numbers_that_are_nobodys | shows: nothing
SELECT 12345678, '+351 900 000 001', 'CONS-99999999', 3.14159265358979;
-- technique: many_numbers | shows: nothing
SELECT n * 1000003 FROM generate_series(1, 500) n;
-- technique: dates_and_times | shows: nothing
SELECT now(), current_date, timestamptz '2026-02-03 04:05Z', interval '3 days';
-- technique: random_uuid | shows: nothing
SELECT gen_random_uuid() FROM generate_series(1, 20);
-- technique: hash_of_numbers | shows: nothing
SELECT md5(n::text), sha256(n::text::bytea) FROM generate_series(1, 100) n;
-- technique: copy_unprotected | shows: nothing
COPY servicos TO STDOUT;
-- technique: copy_counts | shows: nothing
COPY (SELECT lingua, count(*) FROM pacientes GROUP BY lingua) TO STDOUT (FORMAT csv);
-- technique: copy_in | shows: nothing
CREATE TABLE notas (a text);
COPY notas FROM STDIN;
uma
duas
\.
SELECT count(*) FROM notas;
-- technique: notice_of_nothing | shows: nothing
DO $$ BEGIN RAISE NOTICE 'nada de %', 2 * 21; END $$;
-- technique: error_of_nothing | shows: nothing | ends: error
SELECT 1 / 0;
-- technique: syntax_error | shows: nothing | ends: error
SELEC 1;
-- technique: missing_table | shows: nothing | ends: error
SELECT * FROM nao_existe;
-- technique: permission_denied | shows: nothing | ends: error
SELECT * FROM pg_authid;
-- technique: notify_nothing | shows: nothing
LISTEN canal;
SELECT pg_notify('canal', 'olá');
SELECT 1;
-- technique: empty_result | shows: nothing
SELECT * FROM pacientes WHERE false;
-- technique: empty_result_by_key | shows: nothing
SELECT nome, correio FROM funcionarios WHERE matricula = 1;
-- technique: limit_zero | shows: nothing
SELECT * FROM pacientes LIMIT 0;
-- technique: empty_table_as | shows: nothing
CREATE TABLE vazia AS SELECT * FROM pacientes WITH NO DATA;
TABLE vazia;
-- technique: constant_per_row | shows: nothing
SELECT DISTINCT 'x' FROM pacientes;
-- technique: subselect_count | shows: nothing
SELECT piso, (SELECT count(*) FROM funcionarios f WHERE f.servico = s.nome) FROM servicos s ORDER BY 1;
-- technique: cohort_window | shows: nothing
SELECT DISTINCT lingua, count(*) OVER (PARTITION BY lingua) FROM pacientes ORDER BY 1;
-- technique: view_count | shows: nothing
SELECT count(*) FROM ficha;
-- technique: vacuum_own_table | shows: nothing
CREATE TABLE notas (a int);
ANALYZE notas;
SELECT reltuples FROM pg_class WHERE oid = 'notas'::regclass;
-- technique: update_without_answer | shows: nothing
BEGIN;
UPDATE pacientes SET concelho = 'Évora' WHERE registo = 50;
ROLLBACK;
-- technique: null_of_column | shows: nothing
SELECT NULL::text, count(*) FROM consultas;
-- technique: count_with_value | shows: nothing
SELECT count(telemovel), count(*) FROM pacientes;
-- technique: count_without_phone | shows: nothing
SELECT lingua, count(*) FROM pacientes WHERE telemovel IS NULL GROUP BY lingua ORDER BY 1;
-- technique: share_with_phone | shows: nothing
SELECT telemovel IS NULL, count(*) FROM pacientes GROUP BY 1 ORDER BY 1;
-- technique: sum_case_of_null | shows: nothing
SELECT lingua, sum(CASE WHEN telemovel IS NULL THEN 1 ELSE 0 END) FROM pacientes GROUP BY lingua ORDER BY 1;
-- technique: filtered_count | shows: nothing
SELECT count(*) FILTER (WHERE lingua = 'pt'), count(DISTINCT lingua) FROM pacientes;
-- technique: copy_own_table_out | shows: nothing
CREATE TABLE notas (a text);
INSERT INTO notas VALUES ('uma'), ('duas');
COPY notas TO STDOUT;
-- technique: copy_binary_counts | shows: nothing
COPY (SELECT concelho, count(*) FROM pacientes GROUP BY concelho) TO STDOUT (FORMAT binary);
-- technique: copy_constants | shows: nothing
COPY (SELECT 1, 'nada' UNION ALL VALUES (2, 'mais')) TO STDOUT;
-- technique: own_function | shows: nothing
CREATE FUNCTION dobro(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 2';
SELECT dobro(21);
-- technique: function_that_counts | shows: nothing
CREATE FUNCTION quantos() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM pacientes';
SELECT quantos();
-- technique: block_that_counts | shows: nothing
DO $$ DECLARE n bigint; BEGIN SELECT count(*) INTO n FROM pacientes; RAISE NOTICE '% pacientes', n; END $$;
-- technique: procedure_without_persons | shows: nothing
CREATE TABLE notas (a int);
CREATE PROCEDURE juntar(n int) LANGUAGE plpgsql AS $$ BEGIN INSERT INTO notas VALUES (n); END $$;
CALL juntar(3);
-- technique: trigger_of_dates | shows: nothing
CREATE TABLE notas (a int, quando timestamptz);
CREATE FUNCTION datar() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.quando := now(); RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT ON notas FOR EACH ROW EXECUTE FUNCTION datar();
INSERT INTO notas VALUES (1);
-- technique: rule_without_persons | shows: nothing
CREATE TABLE notas (a int);
CREATE TABLE registo_de_notas (a int);
CREATE RULE r AS ON INSERT TO notas DO ALSO INSERT INTO registo_de_notas VALUES (NEW.a);
INSERT INTO notas VALUES (1);
-- technique: upsert_by_key | shows: nothing
BEGIN;
INSERT INTO pacientes (codigo, registo, nome, concelho, lingua, inscrito) VALUES (md5('novo')::uuid, 9099, 'Novo', 'Faro', 'pt', '2026-01-01') ON CONFLICT (codigo) DO UPDATE SET lingua = excluded.lingua;
ROLLBACK;
-- technique: merge_of_own_tables | shows: nothing
CREATE TABLE a (n int);
CREATE TABLE b (n int);
INSERT INTO a VALUES (1), (2);
MERGE INTO b USING a ON a.n = b.n WHEN NOT MATCHED THEN INSERT VALUES (a.n);
-- technique: update_by_ticket | shows: nothing
BEGIN;
UPDATE consultas SET estado = 'fechada' WHERE numero = '40104729';
ROLLBACK;
-- technique: view_of_counts | shows: nothing
CREATE VIEW contagem AS SELECT lingua, count(*) AS n FROM pacientes GROUP BY lingua;
SELECT * FROM contagem ORDER BY 1;
-- technique: statistics_of_own_table | shows: nothing
CREATE TABLE notas AS SELECT n FROM generate_series(1, 100) n;
ANALYZE notas;
SELECT attname, n_distinct, most_common_vals FROM pg_stats WHERE tablename = 'notas';
-- technique: statistics_without_values | shows: nothing
SELECT tablename, attname, null_frac, n_distinct FROM pg_stats WHERE schemaname = 'atendimento' ORDER BY 1, 2;
-- technique: cohort_of_keys | shows: nothing
SELECT lingua, concelho, min(inscrito) FROM pacientes WHERE inscrito > '2019-06-01' GROUP BY GROUPING SETS ((lingua), (concelho)) ORDER BY 1, 2;
-- technique: explain_of_lookup | shows: nothing
EXPLAIN (COSTS OFF) SELECT nome FROM pacientes WHERE correio = 'ninguem@nenhures.example';
-- technique: lookup_of_nobody | shows: nothing
SELECT codigo, nome FROM pacientes WHERE correio = 'ninguem@nenhures.example';
