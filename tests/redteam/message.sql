-- Notices, errors, notifications.

-- technique: notice | shows: plain | subjects: p 1-2
DO $$ DECLARE p record; BEGIN FOR p IN SELECT * FROM pacientes WHERE registo <= 2 LOOP RAISE NOTICE 'visto: %', p.correio; END LOOP; END $$;
-- technique: notice_of_names | shows: derived | subjects: p 1-2
DO $$ DECLARE p record; BEGIN FOR p IN SELECT * FROM pacientes WHERE registo <= 2 LOOP RAISE NOTICE '%', reverse(p.nome); END LOOP; END $$;
-- technique: warning_detail | shows: plain | subjects: p 3-3
DO $$ BEGIN RAISE WARNING 'x' USING DETAIL = (SELECT correio FROM pacientes WHERE registo = 3), HINT = 'y'; END $$;
-- technique: notice_in_pieces | shows: plain | subjects: p 4-4
DO $$ DECLARE c text := (SELECT correio FROM pacientes WHERE registo = 4); BEGIN RAISE NOTICE '%', left(c, 9); RAISE NOTICE '%', substr(c, 10); END $$;
-- technique: info_level | shows: plain | subjects: p 4-4
DO $$ BEGIN RAISE INFO '%', (SELECT p FROM pacientes p WHERE registo = 4); END $$;
-- technique: exception_text | shows: plain | subjects: p 5-5 | ends: error
DO $$ BEGIN RAISE EXCEPTION 'falhou %', (SELECT correio FROM pacientes WHERE registo = 5); END $$;
-- technique: exception_of_name | shows: derived | subjects: p 5-5 | ends: error
DO $$ BEGIN RAISE EXCEPTION 'falhou %', (SELECT nome FROM pacientes WHERE registo = 5); END $$;
-- technique: exception_column_field | shows: plain | subjects: p 5-5 | ends: error
\set VERBOSITY verbose
DO $$ BEGIN RAISE EXCEPTION 'x' USING COLUMN = (SELECT correio FROM pacientes WHERE registo = 5), TABLE = 'y'; END $$;
-- technique: cast_error | shows: plain | subjects: p 6-6 | ends: error
SELECT correio::int FROM pacientes WHERE registo = 6;
-- technique: cast_error_of_name | shows: derived | subjects: p 6-6 | ends: error
SELECT nome::int FROM pacientes WHERE registo = 6;
-- technique: cast_error_extended | shows: plain | subjects: p 6-6 | ends: error | protocol: extended
SELECT correio::date FROM pacientes WHERE registo = 6;
-- technique: cast_error_of_all | shows: plain | subjects: p 7-8 | ends: error
SELECT string_agg(correio, ' ')::int FROM pacientes WHERE registo IN (7, 8);
-- technique: json_error | shows: plain | subjects: p 9-9 | ends: error
SELECT ('{' || correio)::json FROM pacientes WHERE registo = 9;
-- technique: overflow_of_ticket | shows: plain | subjects: p 10-10 | ends: error
SELECT numero::smallint FROM consultas WHERE ordem = 10;
-- technique: unique_violation | shows: plain | subjects: p 11-11 | ends: error
INSERT INTO pacientes SELECT gen_random_uuid(), 9011, nome, correio, telemovel, concelho, lingua, inscrito FROM pacientes WHERE registo = 11;
-- technique: not_null_violation | shows: plain | subjects: p 12-12 | ends: error
UPDATE pacientes SET concelho = NULL WHERE registo = 12;
-- technique: check_violation | shows: plain | subjects: p 13-13 | ends: error
CREATE TABLE copia (a text CHECK (a = ''));
INSERT INTO copia SELECT correio FROM pacientes WHERE registo = 13;
-- technique: check_violation_of_name | shows: derived | subjects: p 13-13 | ends: error
CREATE TABLE copia (a text CHECK (a = ''));
INSERT INTO copia SELECT nome FROM pacientes WHERE registo = 13;
-- technique: foreign_key_violation | shows: plain | subjects: p 14-14 | ends: error
CREATE TABLE alvo (a text PRIMARY KEY);
CREATE TABLE copia (a text REFERENCES alvo);
INSERT INTO copia SELECT correio FROM pacientes WHERE registo = 14;
-- technique: missing_relation_named | shows: plain | subjects: p 15-15 | ends: error
SELECT (SELECT correio FROM pacientes WHERE registo = 15)::regclass;
-- technique: inet_error | shows: plain | subjects: p 15-15 | ends: error
SELECT ('x' || correio)::inet FROM pacientes WHERE registo = 15;
-- technique: division_oracle | shows: derived | subjects: p 16-16 | ends: error
SELECT 1 / (CASE WHEN correio LIKE 'j%' THEN 1 ELSE 0 END) FROM pacientes WHERE registo = 16;
SELECT 1 / (CASE WHEN correio LIKE 'j%' THEN 0 ELSE 1 END) FROM pacientes WHERE registo = 16;
-- technique: error_in_failed_copy | shows: plain | subjects: p 17-17 | ends: error
COPY (SELECT correio::numeric FROM pacientes WHERE registo = 17) TO STDOUT;
-- technique: notify | shows: plain | subjects: p 18-19
LISTEN canal;
SELECT pg_notify('canal', correio) FROM pacientes WHERE registo IN (18, 19);
SELECT 1;
-- technique: notify_of_names | shows: derived | subjects: p 18-19
LISTEN canal;
SELECT pg_notify('canal', upper(nome)) FROM pacientes WHERE registo IN (18, 19);
SELECT 1;
-- technique: notify_channel_name | shows: plain | subjects: p 20-20
SELECT format('LISTEN %I', correio) FROM pacientes WHERE registo = 20 \gexec
SELECT pg_notify(correio, '') IS NULL FROM pacientes WHERE registo = 20;
SELECT pg_listening_channels();
-- technique: notify_unheard | shows: derived | subjects: p 18-19
SELECT count(pg_notify('longe', correio)) FROM pacientes WHERE registo IN (18, 19);
-- technique: transaction_aborted_text | shows: plain | subjects: p 21-21 | ends: error
BEGIN;
SELECT correio::uuid FROM pacientes WHERE registo = 21;
ROLLBACK;
-- technique: error_context | shows: derived | subjects: p 22-22 | ends: error
DO $$ DECLARE n text := (SELECT nome FROM pacientes WHERE registo = 22); BEGIN EXECUTE 'SELECT erro_' || replace(n, ' ', '_'); END $$;
