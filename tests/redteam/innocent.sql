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
