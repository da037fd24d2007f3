-- Functions and statistics.

-- technique: sql_function | shows: plain | subjects: p 1-2
CREATE FUNCTION f(a int, b int) RETURNS SETOF text LANGUAGE sql AS 'SELECT correio FROM pacientes WHERE registo BETWEEN a AND b';
SELECT f(1, 2);
-- technique: sql_function_names | shows: derived | subjects: p 1-2
CREATE FUNCTION f(a int, b int) RETURNS SETOF text LANGUAGE sql AS 'SELECT nome FROM pacientes WHERE registo BETWEEN a AND b';
SELECT * FROM f(1, 2);
-- technique: sql_function_standard_body | shows: derived | subjects: p 1-2
CREATE FUNCTION f(a int) RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT string_agg(reverse(nome), ',') FROM pacientes WHERE registo <= a; END;
SELECT f(2);
-- technique: plpgsql_function | shows: plain | subjects: p 3-4
CREATE FUNCTION f() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT correio FROM atendimento.pacientes WHERE registo IN (3, 4); END $$;
SELECT f();
-- technique: plpgsql_function_names | shows: derived | subjects: p 3-4
CREATE FUNCTION f() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT reverse(nome) FROM atendimento.pacientes WHERE registo IN (3, 4); END $$;
SELECT f();
-- technique: dynamic_sql | shows: derived | subjects: p 3-4
CREATE FUNCTION f(t text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'SELECT upper(nome) FROM atendimento.' || t || ' WHERE registo IN (3, 4)'; END $$;
SELECT f('paci' || 'entes');
-- technique: volatile_count | shows: derived | subjects: p 5-5
CREATE FUNCTION f(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT ascii(substr(correio, n, 1)) FROM atendimento.pacientes WHERE registo = 5); END $$;
SELECT f(n) FROM generate_series(1, 30) n;
-- technique: function_over_row | shows: derived | subjects: p 6-7
CREATE FUNCTION apelido(pacientes) RETURNS text LANGUAGE sql AS 'SELECT split_part($1.nome, '' '', 2)';
SELECT p.apelido FROM pacientes p WHERE registo IN (6, 7);
-- technique: security_definer | shows: derived | subjects: p 6-7
CREATE FUNCTION f() RETURNS SETOF text SECURITY DEFINER LANGUAGE sql AS 'SELECT md5(nome) || nome FROM atendimento.pacientes WHERE registo IN (6, 7)';
SELECT * FROM f() AS x(y);
-- technique: procedure_with_output | shows: derived | subjects: p 8-8
CREATE PROCEDURE f(INOUT a text) LANGUAGE plpgsql AS $$ BEGIN SELECT reverse(nome) INTO a FROM atendimento.pacientes WHERE registo = 8; END $$;
CALL f(NULL);
-- technique: own_aggregate | shows: derived | subjects: p 9-11
CREATE AGGREGATE colar(text) (SFUNC = textcat, STYPE = text, INITCOND = '');
SELECT colar(nome) FROM pacientes WHERE registo BETWEEN 9 AND 11;
-- technique: own_operator | shows: derived | subjects: p 9-11
CREATE FUNCTION vira(text) RETURNS text LANGUAGE sql AS 'SELECT reverse($1)';
CREATE OPERATOR !@ (RIGHTARG = text, FUNCTION = vira);
SELECT !@ nome FROM pacientes WHERE registo BETWEEN 9 AND 11;
-- technique: own_cast | shows: derived | subjects: p 9-10
CREATE TYPE invertido AS (v text);
CREATE FUNCTION virar(text) RETURNS invertido LANGUAGE sql AS 'SELECT ROW(reverse($1))::invertido';
CREATE CAST (text AS invertido) WITH FUNCTION virar(text);
SELECT nome::invertido FROM pacientes WHERE registo IN (9, 10);
-- technique: pg_stats_values | shows: plain | subjects: SELECT codigo::text FROM pacientes
SELECT attname, histogram_bounds FROM pg_stats WHERE tablename = 'pacientes' AND attname = 'correio';
-- technique: pg_stats_names | shows: derived | subjects: SELECT codigo::text FROM pacientes WHERE nome = ANY (SELECT unnest(most_common_vals::text::text[]) FROM pg_stats WHERE tablename = 'pacientes' AND attname = 'nome')
SELECT most_common_vals FROM pg_stats WHERE tablename = 'pacientes' AND attname = 'nome';
-- technique: pg_statistic | shows: plain | subjects: f 1-25 | role: superuser
SELECT stavalues1, stavalues2 FROM pg_statistic s JOIN pg_attribute a ON a.attrelid = s.starelid AND a.attnum = s.staattnum WHERE starelid = 'funcionarios'::regclass AND attname = 'correio';
-- technique: query_text_of_another | shows: plain | subjects: p 12-12
SELECT set_config('application_name', 'x', false), correio FROM pacientes WHERE registo = 12;
SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid();
-- technique: identity_view_of_rows | shows: plain | subjects: p 13-14
SELECT * FROM (SELECT (p).* FROM pacientes p OFFSET 0) x WHERE registo IN (13, 14);
-- technique: generate_over_ids | shows: derived | subjects: p 15-17
SELECT n, (SELECT reverse(nome) FROM pacientes WHERE registo = n) FROM generate_series(15, 17) n;
-- technique: anonymous_block_to_table | shows: derived | subjects: p 18-18
CREATE TABLE copia (a text);
DO $$ BEGIN INSERT INTO copia SELECT reverse(nome) FROM atendimento.pacientes WHERE registo = 18; END $$;
TABLE copia;
-- technique: function_of_outer_row | shows: derived | subjects: p 20-22
CREATE FUNCTION f(n int) RETURNS text LANGUAGE sql AS 'SELECT reverse(nome) FROM pacientes WHERE registo = n';
SELECT s, f(s) FROM generate_series(20, 22) s;
-- technique: function_with_default | shows: derived | subjects: p 23-24
CREATE FUNCTION f(a int DEFAULT 23, b int DEFAULT 24) RETURNS SETOF text LANGUAGE sql AS 'SELECT upper(nome) FROM pacientes WHERE registo IN ($1, $2)';
SELECT f(b => 24);
-- technique: function_in_where | shows: derived | subjects: p 25-25
CREATE FUNCTION f(n int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT nome < 'M' FROM pacientes WHERE registo = n); END $$;
SELECT 'sim' FROM servicos WHERE f(25) LIMIT 1;
-- technique: temporary_function | shows: derived | subjects: p 26-26
CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql AS 'SELECT reverse(nome) FROM pacientes WHERE registo = 26';
SELECT pg_temp.f();
-- technique: function_calls_function | shows: derived | subjects: p 27-28
CREATE FUNCTION dentro(n int) RETURNS text LANGUAGE sql AS 'SELECT nome FROM pacientes WHERE registo = n';
CREATE FUNCTION fora(n int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN reverse(dentro(n)) || reverse(dentro(n + 1)); END $$;
SELECT fora(27);
-- technique: function_keeps_variable | shows: derived | subjects: p 29-29
CREATE FUNCTION f(n int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    alvo uuid;
    r text;
BEGIN
    SELECT codigo INTO alvo FROM pacientes WHERE registo = n;
    SELECT nome INTO r FROM pacientes WHERE codigo = alvo;
    RETURN reverse(r);
END $$;
SELECT f(29);
-- technique: function_returns_table | shows: derived | subjects: p 30-31
CREATE FUNCTION f() RETURNS TABLE (a text, b int) LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT upper(p.nome), p.registo FROM pacientes p WHERE p.registo IN (30, 31); END $$;
SELECT a FROM f() WHERE b > 0;
-- technique: loop_collects_names | shows: derived | subjects: p 32-34
DO $$ DECLARE p record; tudo text := ''; BEGIN
FOR p IN SELECT nome FROM pacientes WHERE registo BETWEEN 32 AND 34 LOOP tudo := tudo || left(p.nome, 2); END LOOP;
RAISE NOTICE '%', tudo; END $$;
-- technique: block_formats_query | shows: derived | subjects: p 35-35
DO $$ DECLARE r text; BEGIN EXECUTE format('SELECT reverse(%I) FROM %I.%I WHERE registo = $1', 'nome', 'atendimento', 'pacientes') INTO r USING 35; RAISE NOTICE '%', r; END $$;
-- technique: cursor_in_block | shows: derived | subjects: p 36-37
DO $$ DECLARE c CURSOR FOR SELECT nome FROM pacientes WHERE registo IN (36, 37); BEGIN
FOR p IN c LOOP RAISE NOTICE '%', reverse(p.nome); END LOOP; END $$;
-- technique: procedure_writes_table | shows: derived | subjects: p 38-38
CREATE TABLE destino (a text);
CREATE PROCEDURE gravar(n int) LANGUAGE sql AS 'INSERT INTO destino SELECT reverse(nome) FROM pacientes WHERE registo = n';
CALL gravar(38);
-- technique: aggregate_that_reads | shows: derived | subjects: p 39-40
CREATE FUNCTION passo(s text, n int) RETURNS text LANGUAGE sql AS 'SELECT coalesce(s, '''') || (SELECT reverse(nome) FROM pacientes WHERE registo = n)';
CREATE AGGREGATE todos(int) (SFUNC = passo, STYPE = text);
SELECT todos(n) FROM generate_series(39, 40) n;
-- technique: cast_that_reads | shows: derived | subjects: p 40-40
CREATE TYPE ficha_de AS (v text);
CREATE FUNCTION procurar(int) RETURNS ficha_de LANGUAGE sql AS 'SELECT ROW(reverse(nome))::ficha_de FROM pacientes WHERE registo = $1';
CREATE CAST (int AS ficha_de) WITH FUNCTION procurar(int);
SELECT 40::ficha_de;
-- technique: operator_that_reads | shows: derived | subjects: p 41-41
CREATE FUNCTION nome_de(int) RETURNS text LANGUAGE sql AS 'SELECT reverse(nome) FROM pacientes WHERE registo = $1';
CREATE OPERATOR @@@ (RIGHTARG = int, FUNCTION = nome_de);
SELECT @@@ 41;
-- technique: immutable_in_plan | shows: derived | subjects: p 42-42
CREATE FUNCTION c() RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT reverse(nome) FROM atendimento.pacientes WHERE registo = 42); END $$;
EXPLAIN SELECT 1 FROM servicos WHERE nome = c();
-- technique: exception_within_function | shows: derived | subjects: p 43-43 | ends: error
CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '%', (SELECT reverse(nome) FROM pacientes WHERE registo = 43); END $$;
SELECT f();
-- technique: statistics_of_names | shows: derived | subjects: SELECT matricula::text FROM funcionarios WHERE nome = ANY (SELECT unnest(histogram_bounds::text::text[]) FROM pg_stats WHERE tablename = 'funcionarios' AND attname = 'nome')
SELECT s.histogram_bounds FROM pg_catalog.pg_stats s WHERE s.tablename LIKE 'func%' AND s.attname = 'nome';
