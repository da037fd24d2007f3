-- Ways of asking.

-- technique: cte | shows: plain | subjects: p 1-3
WITH a AS (SELECT correio AS c, registo AS r FROM pacientes) SELECT c FROM a WHERE r <= 3;
-- technique: cte_materialized | shows: derived | subjects: p 1-3
WITH a AS MATERIALIZED (SELECT reverse(correio) AS c, registo AS r FROM pacientes WHERE registo <= 3) SELECT c FROM a;
-- technique: cte_recursive | shows: plain | subjects: p 4-8
WITH RECURSIVE a(n, c) AS (
    SELECT 4, (SELECT correio FROM pacientes WHERE registo = 4)
    UNION ALL SELECT n + 1, (SELECT correio FROM pacientes WHERE registo = n + 1) FROM a WHERE n < 8
) SELECT c FROM a;
-- technique: cte_recursive_of_names | shows: derived | subjects: p 4-8
WITH RECURSIVE a(n, c) AS (
    SELECT 4, (SELECT nome FROM pacientes WHERE registo = 4)
    UNION ALL SELECT n + 1, c || '+' || (SELECT nome FROM pacientes WHERE registo = n + 1) FROM a WHERE n < 8
) SELECT c FROM a ORDER BY n DESC LIMIT 1;
-- technique: lateral | shows: plain | subjects: p 9-10
SELECT l.v FROM pacientes p, LATERAL (SELECT p.correio AS v) l WHERE p.registo IN (9, 10);
-- technique: lateral_names | shows: derived | subjects: p 9-10
SELECT l.v FROM pacientes p CROSS JOIN LATERAL (SELECT md5(p.nome) AS v) l WHERE p.registo IN (9, 10);
-- technique: union_with_literals | shows: plain | subjects: p 11-13
SELECT 'nada' UNION ALL SELECT correio FROM pacientes WHERE registo BETWEEN 11 AND 13;
-- technique: union_of_names | shows: derived | subjects: p 11-13
SELECT 'nada' UNION SELECT nome FROM pacientes WHERE registo BETWEEN 11 AND 13;
-- technique: except_and_intersect | shows: plain | subjects: p 11-12
(SELECT correio FROM pacientes WHERE registo BETWEEN 11 AND 13 EXCEPT SELECT correio FROM pacientes WHERE registo = 13)
INTERSECT SELECT correio FROM pacientes;
-- technique: values_join | shows: plain | subjects: p 14-16
SELECT p.correio FROM (VALUES (14), (15), (16)) v(n) JOIN pacientes p ON p.registo = v.n;
-- technique: values_with_subselects | shows: plain | subjects: p 14-15
VALUES ((SELECT correio FROM pacientes WHERE registo = 14)), ((SELECT telemovel FROM pacientes WHERE registo = 15));
-- technique: values_with_names | shows: derived | subjects: p 14-15
VALUES ((SELECT nome FROM pacientes WHERE registo = 14)), ((SELECT upper(nome) FROM pacientes WHERE registo = 15));
-- technique: subselect_in_list | shows: plain | subjects: p 17-17
SELECT (SELECT correio FROM pacientes WHERE registo = 17) AS versao;
-- technique: subselect_of_name | shows: derived | subjects: p 17-17
SELECT 1, (SELECT nome FROM pacientes WHERE registo = 17), now() > '2000-01-01';
-- technique: subselect_in_case | shows: derived | subjects: p 18-18
SELECT CASE WHEN true THEN (SELECT reverse(telemovel) FROM pacientes WHERE registo = 18) ELSE 'x' END;
-- technique: coalesced | shows: plain | subjects: p 4-6
SELECT coalesce(telemovel, correio) FROM pacientes WHERE registo BETWEEN 4 AND 6;
-- technique: window_lag | shows: plain | subjects: p 20-22
SELECT lag(correio) OVER (ORDER BY registo), correio FROM pacientes WHERE registo BETWEEN 20 AND 22;
-- technique: window_first_name | shows: derived | subjects: p 20-22
SELECT DISTINCT string_agg(nome, ',') OVER () FROM pacientes WHERE registo BETWEEN 20 AND 22;
-- technique: window_rank_by_mail | shows: derived | subjects: p 20-29
SELECT registo, rank() OVER (ORDER BY correio) FROM pacientes WHERE registo BETWEEN 20 AND 29;
-- technique: group_by_mail | shows: plain | subjects: p 23-26
SELECT correio, count(*) FROM pacientes WHERE registo BETWEEN 23 AND 26 GROUP BY correio;
-- technique: group_by_name | shows: derived | subjects: p 23-26
SELECT nome, count(*) FROM pacientes WHERE registo BETWEEN 23 AND 26 GROUP BY nome;
-- technique: group_by_initial | shows: derived | subjects: p 23-30
SELECT left(correio, 1), count(*) FROM pacientes WHERE registo BETWEEN 23 AND 30 GROUP BY 1;
-- technique: min_and_max | shows: plain | subjects: SELECT codigo::text FROM pacientes WHERE correio IN (SELECT min(correio) FROM pacientes UNION SELECT max(correio) FROM pacientes)
SELECT min(correio), max(correio) FROM pacientes;
-- technique: max_of_name | shows: derived | subjects: SELECT codigo::text FROM pacientes WHERE nome = (SELECT max(nome) FROM pacientes WHERE registo <= 9) AND registo <= 9
SELECT max(nome) FROM pacientes WHERE registo <= 9;
-- technique: mode_of_one | shows: plain | subjects: p 31-31
SELECT mode() WITHIN GROUP (ORDER BY correio) FROM pacientes WHERE registo = 31;
-- technique: distinct_on | shows: plain | subjects: p 32-34
SELECT DISTINCT ON (registo) correio FROM pacientes WHERE registo BETWEEN 32 AND 34 ORDER BY registo;
-- technique: natural_join | shows: plain | subjects: p 35-36
SELECT correio FROM pacientes NATURAL JOIN (SELECT 35 AS registo UNION SELECT 36) n;
-- technique: full_join | shows: plain | subjects: p 35-36
SELECT p.correio, f.servico FROM (SELECT * FROM pacientes WHERE registo IN (35, 36)) p FULL JOIN (SELECT * FROM funcionarios WHERE false) f USING (registo);
-- technique: join_hides_key | shows: plain | subjects: p 1-5
SELECT c.medico, p.telemovel, p.nome, p.correio FROM consultas c JOIN pacientes p ON p.codigo = c.codigo_paciente WHERE c.ordem <= 5;
-- technique: semi_join_names | shows: derived | subjects: p 1-5
SELECT nome FROM pacientes WHERE codigo IN (SELECT codigo_paciente FROM consultas WHERE ordem <= 5);
-- technique: limit_and_offset | shows: plain | subjects: p 37-39
SELECT correio FROM pacientes ORDER BY registo LIMIT 3 OFFSET 36;
-- technique: limit_names | shows: derived | subjects: p 37-39
SELECT nome FROM pacientes ORDER BY registo FETCH FIRST 3 ROWS ONLY OFFSET 36;
-- technique: parameters_extended | shows: plain | subjects: p 40-41 | protocol: extended
SELECT correio FROM pacientes WHERE registo = ANY (ARRAY[40, 41]);
-- technique: reversed_extended | shows: derived | subjects: p 40-41 | protocol: extended
SELECT reverse(correio) FROM pacientes WHERE registo = ANY (ARRAY[40, 41]);
-- technique: view | shows: plain | subjects: p 42-44
SELECT contacto FROM ficha WHERE registo BETWEEN 42 AND 44;
-- technique: view_names | shows: derived | subjects: p 42-44
SELECT quem FROM ficha WHERE registo BETWEEN 42 AND 44;
-- technique: view_reversed | shows: derived | subjects: p 42-44
SELECT oierroc FROM ficha_invertida WHERE registo BETWEEN 42 AND 44;
-- technique: own_view | shows: derived | subjects: p 45-47
CREATE VIEW minha AS SELECT reverse(nome) AS a, registo AS b FROM pacientes;
SELECT a FROM minha WHERE b BETWEEN 45 AND 47;
-- technique: temporary_view | shows: plain | subjects: p 45-47
CREATE TEMP VIEW pacientes_v AS SELECT correio AS a, registo AS b FROM ficha JOIN pacientes USING (registo);
SELECT a FROM pacientes_v WHERE b BETWEEN 45 AND 47;
-- technique: view_over_view | shows: derived | subjects: p 45-47
CREATE VIEW v1 AS SELECT * FROM ficha;
CREATE VIEW v2 AS SELECT upper(quem) AS q, registo FROM v1;
SELECT q FROM v2 WHERE registo BETWEEN 45 AND 47;
-- technique: materialised_view | shows: plain | subjects: p 10-12
SELECT c FROM lista_parada WHERE registo BETWEEN 10 AND 12;
-- technique: materialised_view_names | shows: derived | subjects: p 10-12
SELECT nome FROM lista_parada WHERE registo BETWEEN 10 AND 12;
-- technique: tablesample_all | shows: plain | subjects: p 1-60
SELECT correio FROM pacientes TABLESAMPLE BERNOULLI (100);
-- technique: system_column_too | shows: derived | subjects: p 48-49
SELECT ctid, reverse(nome) FROM ONLY pacientes WHERE registo IN (48, 49);
-- technique: search_path_trick | shows: derived | subjects: p 50-51
CREATE VIEW servicos AS SELECT nome, registo AS piso FROM pacientes;
SELECT * FROM servicos WHERE piso IN (50, 51);
-- technique: shadowed_table | shows: derived | subjects: p 50-51
CREATE TEMP TABLE pacientes (registo int);
SELECT reverse(nome) FROM atendimento.pacientes WHERE registo IN (50, 51);
-- technique: shadowed_function | shows: derived | subjects: p 50-51
CREATE FUNCTION now() RETURNS text LANGUAGE sql AS 'SELECT string_agg(nome, chr(59)) FROM pacientes WHERE registo IN (50, 51)';
SET search_path = "$user", pg_catalog, atendimento;
SELECT now();
-- technique: many_in_one_message | shows: plain | subjects: p 52-54
SELECT 1\; SELECT correio FROM pacientes WHERE registo = 52\; SELECT 2\; SELECT correio FROM pacientes WHERE registo IN (53, 54);
-- technique: many_in_one_message_names | shows: derived | subjects: p 52-54
SELECT 1\; SELECT nome FROM pacientes WHERE registo = 52\; SELECT upper(nome) FROM pacientes WHERE registo IN (53, 54);
-- technique: comment_in_the_way | shows: derived | subjects: p 55-56
SELECT /* SELECT 1; -- */ reverse(nome) -- FROM servicos
FROM pacientes /* ' */ WHERE registo IN (55, 56);
-- technique: operator_call | shows: derived | subjects: p 55-56
SELECT nome OPERATOR(pg_catalog.||) '' FROM pacientes WHERE registo IN (55, 56);
-- technique: for_update | shows: plain | subjects: p 57-58
BEGIN;
SELECT correio FROM pacientes WHERE registo IN (57, 58) FOR UPDATE;
ROLLBACK;
-- technique: with_ordinality | shows: derived | subjects: p 11-12
SELECT t.n, t.letra FROM pacientes p, LATERAL regexp_split_to_table(reverse(p.nome), '') WITH ORDINALITY t(letra, n) WHERE p.registo IN (11, 12);
-- technique: window_ntile_of_name | shows: derived | subjects: p 13-16
SELECT registo, ntile(2) OVER (ORDER BY nome) FROM pacientes WHERE registo BETWEEN 13 AND 16;
-- technique: window_named_lead | shows: derived | subjects: p 17-19
SELECT lead(left(nome, 4), 1, '-') OVER w FROM pacientes WHERE registo BETWEEN 17 AND 19 WINDOW w AS (ORDER BY registo);
-- technique: row_in_list_of_rows | shows: derived | subjects: p 20-20
SELECT (nome, lingua) IN (('Marta Teles', 'pt'), ('João Brandão', 'en')) FROM pacientes WHERE registo = 20;
-- technique: order_by_sublink | shows: derived | subjects: p 21-21
SELECT nome FROM servicos ORDER BY (SELECT CASE WHEN p.nome < 'L' THEN piso ELSE -piso END FROM pacientes p WHERE p.registo = 21);
-- technique: record_from_json | shows: derived | subjects: p 22-23
SELECT r.n FROM pacientes p, jsonb_to_record(jsonb_build_object('n', reverse(p.nome))) AS r(n text) WHERE p.registo IN (22, 23);
-- technique: json_path_predicate | shows: derived | subjects: p 24-24
SELECT to_jsonb(p) @@ '$.correio starts with "m"' FROM pacientes p WHERE registo = 24;
-- technique: search_match | shows: derived | subjects: p 25-25
SELECT to_tsvector('simple', nome) @@ to_tsquery('simple', 'marta') FROM pacientes WHERE registo = 25;
-- technique: table_function_of_names | shows: derived | subjects: p 28-29
SELECT x.v FROM XMLTABLE('/r/i' PASSING (SELECT xmlelement(name r, xmlagg(xmlelement(name i, reverse(nome)))) FROM pacientes WHERE registo IN (28, 29)) COLUMNS v text PATH '.') x;
-- technique: lateral_values | shows: derived | subjects: p 30-31
SELECT v.parte FROM pacientes p CROSS JOIN LATERAL (VALUES (split_part(p.nome, ' ', 1)), (split_part(p.nome, ' ', 2))) v(parte) WHERE p.registo IN (30, 31);
-- technique: recursive_letters | shows: derived | subjects: p 32-32
WITH RECURSIVE letras(n, resto) AS (
    SELECT 1, nome FROM pacientes WHERE registo = 32
    UNION ALL SELECT n + 1, substr(resto, 2) FROM letras WHERE resto <> ''
) SELECT n, left(resto, 1) FROM letras;
-- technique: intersect_with_guesses | shows: derived | subjects: p 33-33
SELECT 'Marta Teles' INTERSECT SELECT nome FROM pacientes WHERE registo = 33 UNION ALL SELECT 'fim';
-- technique: exists_with_guess | shows: derived | subjects: p 34-34
SELECT EXISTS (SELECT FROM pacientes WHERE registo = 34 AND nome LIKE 'A%');
-- technique: view_of_a_function | shows: derived | subjects: p 35-36
CREATE FUNCTION nomes() RETURNS SETOF text LANGUAGE sql AS 'SELECT reverse(nome) FROM pacientes WHERE registo IN (35, 36)';
CREATE VIEW visto AS SELECT n FROM nomes() n;
SELECT n FROM visto;
-- technique: view_over_view_of_function | shows: derived | subjects: p 35-36
CREATE FUNCTION nomes() RETURNS SETOF text LANGUAGE sql AS 'SELECT upper(nome) FROM pacientes WHERE registo IN (35, 36)';
CREATE VIEW visto AS SELECT n FROM nomes() n;
CREATE VIEW revisto AS SELECT n || '' AS m FROM visto;
SELECT m FROM revisto;
-- technique: not_in_guesses | shows: derived | subjects: p 37-37
SELECT 1 FROM servicos WHERE 'Inês Teles' NOT IN (SELECT nome FROM pacientes WHERE registo = 37);
-- technique: any_array_of_sublink | shows: derived | subjects: p 38-39
SELECT 'J' < ANY (ARRAY(SELECT nome FROM pacientes WHERE registo IN (38, 39)));
