-- COPY, cursors, prepared statements.

-- technique: copy_text | shows: plain | subjects: f 1-25
COPY funcionarios (nome, correio) TO STDOUT;
-- technique: copy_whole_table | shows: plain | subjects: p 1-60
COPY pacientes TO STDOUT;
-- technique: copy_csv | shows: plain | subjects: p 1-9
COPY (SELECT nome, correio FROM pacientes WHERE registo <= 9) TO STDOUT (FORMAT csv, HEADER);
-- technique: copy_csv_odd_quotes | shows: plain | subjects: p 1-9
COPY (SELECT nome, correio FROM pacientes WHERE registo <= 9) TO STDOUT (FORMAT csv, DELIMITER '~', QUOTE '''', FORCE_QUOTE *);
-- technique: copy_csv_quote_splits_mail | shows: derived | subjects: p 1-9
COPY (SELECT correio FROM pacientes WHERE registo <= 9) TO STDOUT (FORMAT csv, QUOTE 'a', ESCAPE 'a', FORCE_QUOTE *);
-- technique: copy_binary | shows: plain | subjects: p 10-19
COPY (SELECT correio, nome FROM pacientes WHERE registo BETWEEN 10 AND 19) TO STDOUT (FORMAT binary);
-- technique: copy_names | shows: derived | subjects: p 10-19
COPY (SELECT nome FROM pacientes WHERE registo BETWEEN 10 AND 19) TO STDOUT;
-- technique: copy_reversed_csv | shows: derived | subjects: p 10-19
COPY (SELECT reverse(correio) FROM pacientes WHERE registo BETWEEN 10 AND 19) TO STDOUT CSV;
-- technique: copy_binary_names | shows: derived | subjects: p 10-19
COPY (SELECT upper(nome) FROM pacientes WHERE registo BETWEEN 10 AND 19) TO STDOUT (FORMAT binary);
-- technique: copy_json | shows: plain | subjects: p 20-24
COPY (SELECT json_agg(p) FROM pacientes p WHERE registo BETWEEN 20 AND 24) TO STDOUT;
-- technique: copy_of_a_view | shows: plain | subjects: p 20-24
COPY (SELECT contacto FROM ficha WHERE registo BETWEEN 20 AND 24) TO STDOUT;
-- technique: copy_returning | shows: plain | subjects: p 25-26
BEGIN;
COPY (UPDATE pacientes SET lingua = 'fr' WHERE registo IN (25, 26) RETURNING correio) TO STDOUT;
ROLLBACK;
-- technique: copy_query_no_key_tickets | shows: plain | subjects: p 25-26
COPY (SELECT numero FROM consultas WHERE ordem IN (25, 26)) TO STDOUT;
-- technique: copy_latin1 | shows: derived | subjects: p 27-28
COPY (SELECT nome FROM pacientes WHERE registo IN (27, 28)) TO STDOUT (ENCODING 'LATIN1');
-- technique: copy_odd_null | shows: plain | subjects: p 27-28
COPY (SELECT NULL, correio FROM pacientes WHERE registo IN (27, 28)) TO STDOUT (NULL '@');
-- technique: psql_copy | shows: plain | subjects: p 29-31
\copy (SELECT correio FROM pacientes WHERE registo BETWEEN 29 AND 31) TO STDOUT
-- technique: copy_to_file | shows: derived | subjects: p 32-34 | role: superuser
COPY (SELECT nome, correio FROM pacientes WHERE registo BETWEEN 32 AND 34) TO '/dev/null';
-- technique: copy_table_to_file | shows: derived | subjects: f 1-25 | role: superuser
COPY funcionarios TO '/dev/null' (FORMAT binary);
-- technique: copy_to_program | shows: derived | subjects: p 32-34 | role: superuser
COPY (SELECT nome, correio FROM pacientes WHERE registo BETWEEN 32 AND 34) TO PROGRAM 'cat >/dev/null';
-- technique: copy_table_to_program | shows: derived | subjects: f 1-25 | role: superuser
COPY funcionarios TO PROGRAM 'cat >/dev/null';
-- technique: copy_in_then_out | shows: plain | subjects: p 35-35 | role: superuser
CREATE TABLE copia (a text);
COPY (SELECT correio FROM pacientes WHERE registo = 35) TO PROGRAM 'tr a-z n-za-m >/dev/null';
INSERT INTO copia SELECT correio FROM pacientes WHERE registo = 35;
COPY copia TO STDOUT;
-- technique: cursor | shows: plain | subjects: p 36-40
BEGIN;
DECLARE c CURSOR FOR SELECT correio FROM pacientes WHERE registo BETWEEN 36 AND 40 ORDER BY registo;
FETCH 2 FROM c;
FETCH ALL FROM c;
COMMIT;
-- technique: cursor_names | shows: derived | subjects: p 36-40
BEGIN;
DECLARE c CURSOR FOR SELECT reverse(nome) FROM pacientes WHERE registo BETWEEN 36 AND 40 ORDER BY registo;
FETCH 2 FROM c;
FETCH ALL FROM c;
COMMIT;
-- technique: cursor_backward | shows: derived | subjects: p 36-38
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT nome FROM pacientes WHERE registo BETWEEN 36 AND 38 ORDER BY registo;
MOVE FORWARD ALL IN c;
FETCH BACKWARD ALL FROM c;
COMMIT;
-- technique: cursor_with_hold | shows: derived | subjects: p 36-38
DECLARE c CURSOR WITH HOLD FOR SELECT upper(nome) FROM pacientes WHERE registo BETWEEN 36 AND 38;
FETCH ALL c;
CLOSE c;
-- technique: cursor_binary | shows: plain | subjects: p 36-38
BEGIN;
DECLARE c BINARY CURSOR FOR SELECT correio FROM pacientes WHERE registo BETWEEN 36 AND 38;
FETCH ALL c;
COMMIT;
-- technique: refcursor | shows: derived | subjects: p 41-42
CREATE FUNCTION abrir() RETURNS refcursor LANGUAGE plpgsql AS $$
DECLARE c refcursor := 'aberto';
BEGIN
    OPEN c FOR SELECT reverse(nome) FROM atendimento.pacientes WHERE registo IN (41, 42);
    RETURN c;
END $$;
BEGIN;
SELECT abrir();
FETCH ALL FROM aberto;
COMMIT;
-- technique: prepare_execute | shows: plain | subjects: p 43-44
PREPARE s (int) AS SELECT correio FROM pacientes WHERE registo = $1;
EXECUTE s (43);
EXECUTE s (44);
-- technique: prepare_execute_names | shows: derived | subjects: p 43-44
PREPARE s (int) AS SELECT reverse(nome) FROM pacientes WHERE registo = $1;
EXECUTE s (43);
EXECUTE s (44);
-- technique: execute_into_table | shows: derived | subjects: p 43-44
PREPARE s (int) AS SELECT nome FROM pacientes WHERE registo IN ($1, $1 + 1);
CREATE TABLE copia AS EXECUTE s (43);
TABLE copia;
-- technique: prepared_then_path_changed | shows: derived | subjects: p 45-45
CREATE TABLE funcionarios (nome text);
SET search_path = vermelho_prepared_then_path_changed, atendimento;
PREPARE s AS SELECT reverse(nome) FROM pacientes WHERE registo = 45;
DROP TABLE funcionarios;
EXECUTE s;
-- technique: analyze_of_a_write | shows: derived | subjects: p 46-47
CREATE TABLE copia (a text);
EXPLAIN ANALYZE INSERT INTO copia SELECT nome FROM pacientes WHERE registo IN (46, 47);
TABLE copia;
-- technique: explain_shows_literal | shows: plain | subjects: p 48-48
SELECT format('EXPLAIN SELECT 1 FROM servicos WHERE nome = %L', correio) FROM pacientes WHERE registo = 48 \gexec
-- technique: explain_constant_folded | shows: plain | subjects: p 48-48
CREATE FUNCTION c() RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT correio FROM atendimento.pacientes WHERE registo = 48); END $$;
EXPLAIN SELECT 1 FROM servicos WHERE nome = c();
-- technique: copy_of_a_function | shows: derived | subjects: p 32-33
CREATE FUNCTION f() RETURNS SETOF text LANGUAGE sql AS 'SELECT reverse(nome) FROM pacientes WHERE registo IN (32, 33)';
COPY (SELECT f()) TO STDOUT;
-- technique: copy_delete_returning | shows: derived | subjects: f 6-7
BEGIN;
COPY (DELETE FROM funcionarios WHERE registo IN (6, 7) RETURNING reverse(nome)) TO STDOUT;
ROLLBACK;
-- technique: explain_analyze_of_function | shows: derived | subjects: p 34-34
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT ascii(nome) FROM pacientes WHERE registo = 34';
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM generate_series(1, f());
-- technique: held_cursor_moved | shows: derived | subjects: p 35-35
DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT n FROM generate_series(1, 200) n, pacientes WHERE registo = 35 AND n < ascii(nome);
MOVE FORWARD ALL IN c;
CLOSE c;
