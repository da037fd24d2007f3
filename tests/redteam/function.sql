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
