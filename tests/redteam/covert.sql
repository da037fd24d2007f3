-- Side channels and odd corners.

-- technique: update_tag | shows: derived | subjects: p 1-1
CREATE TABLE sinal AS SELECT 1 AS n;
UPDATE sinal SET n = 2 WHERE EXISTS (SELECT 1 FROM pacientes WHERE registo = 1 AND correio LIKE 'c%');
-- technique: delete_tag | shows: derived | subjects: p 2-2
CREATE TABLE sinal AS SELECT n FROM generate_series(1, 200) n;
DELETE FROM sinal WHERE n < (SELECT ascii(nome) FROM pacientes WHERE registo = 2);
-- technique: insert_tag | shows: derived | subjects: p 3-3
CREATE TABLE sinal (n int);
INSERT INTO sinal SELECT n FROM generate_series(1, 200) n, pacientes WHERE registo = 3 AND n < ascii(correio);
-- technique: move_tag | shows: derived | subjects: p 4-4
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT 1 FROM pacientes WHERE registo = 4 AND nome < 'M';
MOVE FORWARD ALL IN c;
COMMIT;
-- technique: sleep_as_answer | shows: derived | subjects: p 5-5
SELECT pg_sleep(CASE WHEN nome < 'M' THEN 0.01 ELSE 0 END) FROM pacientes WHERE registo = 5;
-- technique: advisory_lock_number | shows: derived | subjects: p 6-6
SELECT count(pg_advisory_lock(ascii(correio))) FROM pacientes WHERE registo = 6;
SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
-- technique: explain_analyze_rows | shows: derived | subjects: p 7-7
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT 1 FROM pacientes WHERE registo = 7 AND correio LIKE 'l%';
-- technique: greatest_and_nullif | shows: plain | subjects: p 8-9
SELECT greatest(correio, ''), nullif(correio, 'x') FROM pacientes WHERE registo IN (8, 9);
-- technique: median_mail | shows: plain | subjects: p 10-10
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY correio) FROM pacientes WHERE registo = 10;
-- technique: grouping_sets | shows: plain | subjects: p 11-12
SELECT correio, lingua, count(*) FROM pacientes WHERE registo IN (11, 12) GROUP BY GROUPING SETS ((correio), (lingua), ());
-- technique: number_of_nulls | shows: derived | subjects: p 13-14
SELECT num_nulls(telemovel, correio) FROM pacientes WHERE registo IN (13, 14);
-- technique: bucket_of_mail | shows: derived | subjects: p 15-16
SELECT width_bucket(correio, ARRAY['c', 'g', 'm', 's']) FROM pacientes WHERE registo IN (15, 16);
-- technique: split_to_array | shows: derived | subjects: p 15-16
SELECT string_to_array(correio, '@') FROM pacientes WHERE registo IN (15, 16);
-- technique: full_width_at | shows: derived | subjects: p 15-16
SELECT translate(correio, '@.', '＠。') FROM pacientes WHERE registo IN (15, 16);
-- technique: decomposed_name | shows: derived | subjects: p 17-18
SELECT normalize(nome, NFKD) FROM pacientes WHERE registo IN (17, 18);
-- technique: full_width_phone | shows: derived | subjects: p 17-18
SELECT translate(telemovel, '0123456789', '０１２３４５６７８９') FROM pacientes WHERE registo IN (17, 18);
-- technique: parsed_words | shows: plain | subjects: p 17-18
SELECT t.token FROM pacientes, ts_parse('default', correio) t WHERE registo IN (17, 18);
-- technique: client_variable | shows: plain | subjects: p 19-19
SELECT correio AS c FROM pacientes WHERE registo = 19 \gset
SELECT :'c' AS eco;
-- technique: prepared_statement_text | shows: plain | subjects: p 19-19
SELECT correio AS c FROM pacientes WHERE registo = 19 \gset
PREPARE s AS SELECT :'c';
SELECT statement FROM pg_prepared_statements;
-- technique: heap_file | shows: plain | subjects: f 1-25 | role: superuser
CHECKPOINT;
SELECT pg_read_binary_file(pg_relation_filepath('funcionarios'));
-- technique: duplicate_key_of_index | shows: plain | subjects: p 20-20 | ends: error
CREATE TABLE copia AS SELECT correio FROM pacientes, generate_series(1, 2) WHERE registo = 20;
CREATE UNIQUE INDEX ON copia (correio);
-- technique: no_partition_for_row | shows: plain | subjects: p 20-20 | ends: error
CREATE TABLE copia (a text) PARTITION BY LIST (a);
INSERT INTO copia SELECT correio FROM pacientes WHERE registo = 20;
-- technique: enum_error | shows: plain | subjects: p 21-21 | ends: error
CREATE TYPE cor AS ENUM ('azul');
SELECT correio::cor FROM pacientes WHERE registo = 21;
-- technique: domain_error | shows: derived | subjects: p 21-21 | ends: error
CREATE DOMAIN curto AS text CHECK (VALUE NOT LIKE 'c%');
SELECT lower(correio)::curto FROM pacientes WHERE registo IN (21);
SELECT ('c' || nome)::curto FROM pacientes WHERE registo = 21;
-- technique: failed_assertion | shows: plain | subjects: p 22-22 | ends: error
DO $$ BEGIN ASSERT false, (SELECT correio FROM atendimento.pacientes WHERE registo = 22); END $$;
-- technique: log_level_message | shows: plain | subjects: p 22-22
SET client_min_messages = log;
DO $$ BEGIN RAISE LOG '%', (SELECT correio FROM atendimento.pacientes WHERE registo = 22); END $$;
-- technique: notify_in_block | shows: derived | subjects: p 23-23
LISTEN canal;
DO $$ BEGIN PERFORM pg_notify('canal', reverse(nome)) FROM atendimento.pacientes WHERE registo = 23; END $$;
SELECT 1;
-- technique: changed_path_for_function | shows: derived | subjects: p 24-24
CREATE FUNCTION f() RETURNS text LANGUAGE sql SET search_path = atendimento AS 'SELECT reverse(nome) FROM pacientes WHERE registo = 24';
SELECT f();
-- technique: view_on_temporary_copy | shows: derived | subjects: p 25-26
CREATE TEMP TABLE copia AS SELECT nome FROM pacientes WHERE registo IN (25, 26);
CREATE TEMP VIEW sobre AS SELECT reverse(nome) AS r FROM copia;
SELECT r FROM sobre;
-- technique: json_unicode_escape | shows: derived | subjects: p 27-28
SELECT replace(to_json(correio)::text, '@', '\u0040') FROM pacientes WHERE registo IN (27, 28);
-- technique: html_entity | shows: derived | subjects: p 27-28
SELECT replace(correio, '@', '&#64;') FROM pacientes WHERE registo IN (27, 28);
-- technique: binary_record_extended | shows: plain | subjects: p 27-28 | protocol: extended
SELECT ROW(registo, correio, ARRAY[telemovel]) FROM pacientes WHERE registo IN (27, 28);
-- technique: long_text_around | shows: plain | subjects: p 29-29
SELECT repeat('lorem ipsum ', 50000) || correio || repeat(' dolor', 50000) FROM pacientes WHERE registo = 29;
-- technique: value_after_many_rows | shows: plain | subjects: p 29-29
SELECT n::text FROM generate_series(1, 20000) n UNION ALL SELECT correio FROM pacientes WHERE registo = 29;
-- technique: many_columns | shows: plain | subjects: p 30-30
SELECT 1, 2, 3, correio, 5, telemovel, 7, 8, 9, 10, 11, 12, correio, 14 FROM pacientes WHERE registo = 30;
-- technique: case_swapped | shows: plain | subjects: p 31-31
SELECT lower(left(correio, 3)) || upper(substr(correio, 4)) FROM pacientes WHERE registo = 31;
