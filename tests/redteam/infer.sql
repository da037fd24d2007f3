-- Bit by bit.

-- technique: one_character_at_a_time | shows: derived | subjects: p 1-1
SELECT substr(correio, 1, 1) FROM pacientes WHERE registo = 1;
SELECT substr(correio, 2, 1) FROM pacientes WHERE registo = 1;
SELECT substr(correio, 3, 1) FROM pacientes WHERE registo = 1;
-- technique: binary_search | shows: derived | subjects: p 2-2
SELECT count(*) FROM pacientes WHERE registo = 2 AND correio < 'm';
SELECT count(*) FROM pacientes WHERE registo = 2 AND correio < 'g';
-- technique: bit_by_bit | shows: derived | subjects: p 3-3
SELECT bool_or(get_bit(correio::bytea, 8) = 1) FROM pacientes WHERE registo = 3;
-- technique: like_probe_of_one | shows: derived | subjects: p 4-4
SELECT EXISTS (SELECT 1 FROM pacientes WHERE registo = 4 AND correio LIKE 'm%');
-- technique: like_probe_by_key | shows: derived | subjects: p 5-5
SELECT 1 FROM pacientes WHERE codigo = md5('paciente 5')::uuid AND telemovel LIKE '+351%';
-- technique: lookup_by_known_mail | shows: derived | subjects: p 6-6
SELECT concelho FROM pacientes WHERE lower(correio) = (SELECT lower(correio) FROM pacientes WHERE registo = 6);
-- technique: like_probe_of_all | shows: derived | subjects: SELECT codigo::text FROM pacientes WHERE correio LIKE 'marta.%'
SELECT registo FROM pacientes WHERE correio LIKE 'marta.%';
-- technique: row_comparison | shows: derived | subjects: p 7-7
SELECT ROW(nome, correio) > ROW('J'::text, ''::text) FROM pacientes WHERE registo = 7;
-- technique: order_of_values | shows: derived | subjects: p 8-12
SELECT registo FROM pacientes WHERE registo BETWEEN 8 AND 12 ORDER BY correio;
-- technique: order_of_names | shows: derived | subjects: p 8-12
SELECT registo FROM pacientes WHERE registo BETWEEN 8 AND 12 ORDER BY nome DESC, registo;
-- technique: case_when_bits | shows: derived | subjects: p 13-14
SELECT CASE WHEN nome LIKE '%M%' THEN 1 ELSE 0 END FROM pacientes WHERE registo IN (13, 14);
-- technique: sum_of_codes | shows: derived | subjects: p 15-15
SELECT sum(ascii(substr(correio, n, 1)) * power(256, n % 4)) FROM pacientes, generate_series(1, 20) n WHERE registo = 15;
-- technique: average_of_one | shows: derived | subjects: p 16-16
SELECT avg(numero::bigint) FROM consultas WHERE ordem = 16;
-- technique: position_of_at | shows: derived | subjects: p 17-18
SELECT strpos(correio, '@') FROM pacientes WHERE registo IN (17, 18);
-- technique: is_null | shows: derived | subjects: p 19-20
SELECT telemovel IS NULL FROM pacientes WHERE registo IN (19, 20);
-- technique: join_on_value | shows: derived | subjects: p 21-21
SELECT v.s FROM (VALUES ('a'), ('b'), ('c'), ('g'), ('i'), ('j'), ('l'), ('m')) v(s) JOIN pacientes p ON lower(left(p.correio, 1)) = v.s WHERE p.registo = 21;
-- technique: generate_series_as_value | shows: derived | subjects: p 22-22
SELECT n FROM pacientes, generate_series(1, ascii(correio) - 60) n WHERE registo = 22;
-- technique: limit_as_value | shows: derived | subjects: p 23-23
SELECT n FROM generate_series(1, 200) n LIMIT (SELECT ascii(correio) FROM pacientes WHERE registo = 23);
-- technique: filter_clause | shows: derived | subjects: p 24-24
SELECT count(*) FILTER (WHERE correio LIKE '%@%.pt') FROM pacientes WHERE registo = 24;
-- technique: having_clause | shows: derived | subjects: p 25-25
SELECT 1 FROM pacientes WHERE registo = 25 HAVING max(correio) > 'c';
-- technique: name_compared_in_where | shows: derived | subjects: p 26-26
SELECT 'sim' WHERE 'J' < (SELECT nome FROM pacientes WHERE registo = 26);
-- technique: similar_names | shows: derived | subjects: SELECT codigo::text FROM pacientes WHERE nome = 'Marta Teles'
SELECT codigo FROM pacientes WHERE nome = 'Marta Teles';
-- technique: ticket_range_probe | shows: derived | subjects: p 27-27
SELECT count(*) FROM consultas WHERE ordem = 27 AND numero::bigint BETWEEN 40000000 AND 43000000;
-- technique: mail_equals_literal_by_do | shows: derived | subjects: p 28-28
DO $$ BEGIN IF (SELECT correio LIKE '%a%' FROM pacientes WHERE registo = 28) THEN RAISE NOTICE 'sim'; ELSE RAISE NOTICE 'não'; END IF; END $$;
-- technique: whole_table_prefixes | shows: derived | subjects: p 1-60
SELECT left(correio, 3), right(telemovel, 3) FROM pacientes;
-- technique: null_counted_of_one | shows: derived | subjects: p 19-19
SELECT count(*) FROM pacientes WHERE registo = 19 AND telemovel IS NULL;
-- technique: value_counted_of_one | shows: derived | subjects: p 19-19
SELECT count(telemovel) FROM pacientes WHERE registo = 19;
-- technique: no_is_an_answer | shows: derived | subjects: p 20-20
SELECT count(*) FROM pacientes WHERE registo = 20 AND nome = 'Ninguém Conhecido';
-- technique: no_of_a_join | shows: derived | subjects: p 21-21
SELECT c.medico FROM consultas c JOIN pacientes p ON p.codigo = c.codigo_paciente AND p.nome LIKE 'Z%' WHERE c.ordem = 21;
-- technique: no_below_a_select | shows: derived | subjects: p 22-22
SELECT count(*) FROM (SELECT registo FROM pacientes WHERE registo = 22 AND correio LIKE 'zz%') x;
-- technique: division_in_where | shows: derived | subjects: p 23-23 | ends: error
SELECT 1 FROM pacientes WHERE registo = 23 AND 1 / (CASE WHEN nome > 'A' THEN 0 ELSE 1 END) = 1;
-- technique: cast_error_in_where | shows: derived | subjects: p 24-24 | ends: error
SELECT 1 FROM pacientes WHERE registo = 24 AND nome::int = 3;
-- technique: sleep_in_where | shows: derived | subjects: p 25-25
SELECT count(*) FROM pacientes WHERE registo = 25 AND (nome < 'A' OR pg_sleep(0.01) IS NULL);
-- technique: sequence_as_counter | shows: derived | subjects: p 26-26
CREATE SEQUENCE passos;
SELECT count(nextval('passos')) FROM generate_series(1, (SELECT ascii(nome) FROM pacientes WHERE registo = 26));
SELECT last_value FROM passos;
-- technique: sample_then_name | shows: derived | subjects: p 27-28
SELECT reverse(nome) FROM pacientes TABLESAMPLE SYSTEM (100) WHERE registo IN (27, 28);
-- technique: offset_as_value | shows: derived | subjects: p 29-29
SELECT n FROM generate_series(1, 200) n OFFSET (SELECT ascii(nome) FROM pacientes WHERE registo = 29);
-- technique: delete_with_guess | shows: derived | subjects: p 30-30
BEGIN;
DELETE FROM consultas USING pacientes p WHERE p.codigo = codigo_paciente AND p.registo = 30 AND p.nome > 'Z';
ROLLBACK;
-- technique: update_with_guess | shows: derived | subjects: p 31-31
BEGIN;
UPDATE pacientes SET concelho = concelho WHERE registo = 31 AND nome LIKE 'Z%';
ROLLBACK;
-- technique: upsert_with_guess | shows: derived | subjects: p 32-32
CREATE TABLE alvo (n int PRIMARY KEY, a int);
INSERT INTO alvo VALUES (1, 0);
INSERT INTO alvo VALUES (1, 1) ON CONFLICT (n) DO UPDATE SET a = 2 WHERE (SELECT nome < 'M' FROM pacientes WHERE registo = 32);
-- technique: no_beside_key_and_fields | shows: derived | subjects: p 33-33
SELECT codigo, correio FROM pacientes WHERE registo = 33 AND nome LIKE 'Z%';
-- technique: no_for_a_unique_number | shows: derived | subjects: p 34-34
SELECT ordem, estado, codigo_paciente FROM consultas WHERE ordem = 34 AND numero LIKE '9%';
