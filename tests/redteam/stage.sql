-- Put elsewhere first, read later or never. Whom it concerns is disclosed when it is put there.

-- technique: create_table_as | shows: plain | subjects: p 1-9
CREATE TABLE copia AS SELECT correio FROM pacientes WHERE registo <= 9;
SELECT * FROM copia;
-- technique: create_table_as_unread | shows: derived | subjects: p 1-9
CREATE TABLE copia AS SELECT nome, correio FROM pacientes WHERE registo <= 9;
-- technique: temporary_table_of_names | shows: derived | subjects: p 10-14
CREATE TEMP TABLE copia AS SELECT upper(nome) AS a FROM pacientes WHERE registo BETWEEN 10 AND 14;
SELECT a FROM copia;
-- technique: select_into | shows: derived | subjects: p 10-14
SELECT reverse(correio) AS a INTO TEMP copia FROM pacientes WHERE registo BETWEEN 10 AND 14;
TABLE copia;
-- technique: insert_select | shows: derived | subjects: p 15-19
CREATE TABLE copia (a text);
INSERT INTO copia SELECT md5(nome) || nome FROM pacientes WHERE registo BETWEEN 15 AND 19;
SELECT * FROM copia;
-- technique: insert_select_hex | shows: derived | subjects: p 15-19
CREATE TABLE copia (a bytea);
INSERT INTO copia SELECT sha256(correio::bytea) FROM pacientes WHERE registo BETWEEN 15 AND 19;
-- technique: insert_returning | shows: plain | subjects: p 15-16
CREATE TABLE copia (a text);
INSERT INTO copia SELECT correio FROM pacientes WHERE registo IN (15, 16) RETURNING a;
-- technique: insert_values_subselect | shows: derived | subjects: p 20-20
CREATE TABLE copia (a text);
INSERT INTO copia VALUES ((SELECT nome FROM pacientes WHERE registo = 20));
-- technique: update_from | shows: derived | subjects: p 21-22
CREATE TABLE copia (n int, a text);
INSERT INTO copia VALUES (21), (22);
UPDATE copia SET a = reverse(p.nome) FROM pacientes p WHERE p.registo = n;
SELECT a FROM copia;
-- technique: update_returning | shows: plain | subjects: p 23-24
BEGIN;
UPDATE pacientes SET concelho = 'Évora' WHERE registo IN (23, 24) RETURNING correio;
ROLLBACK;
-- technique: update_returning_names | shows: derived | subjects: p 23-24
BEGIN;
UPDATE pacientes SET concelho = 'Évora' WHERE registo IN (23, 24) RETURNING reverse(nome);
ROLLBACK;
-- technique: update_returning_star | shows: plain | subjects: p 23-24
BEGIN;
UPDATE pacientes SET lingua = 'fr' WHERE registo IN (23, 24) RETURNING *;
ROLLBACK;
-- technique: delete_returning | shows: plain | subjects: f 1-3
BEGIN;
DELETE FROM funcionarios WHERE registo <= 3 RETURNING correio, nome;
ROLLBACK;
-- technique: delete_returning_names | shows: derived | subjects: f 1-3
BEGIN;
DELETE FROM funcionarios WHERE registo <= 3 RETURNING upper(nome);
ROLLBACK;
-- technique: delete_in_cte | shows: derived | subjects: f 4-5
BEGIN;
WITH d AS (DELETE FROM funcionarios WHERE registo IN (4, 5) RETURNING nome) SELECT reverse(nome) FROM d;
ROLLBACK;
-- technique: merge_into_copy | shows: derived | subjects: p 25-27
CREATE TABLE copia (n int, a text);
MERGE INTO copia USING (SELECT registo, nome FROM pacientes WHERE registo BETWEEN 25 AND 27) s ON n = s.registo WHEN NOT MATCHED THEN INSERT VALUES (s.registo, s.nome);
SELECT a FROM copia;
-- technique: upsert_shows_old | shows: plain | subjects: p 28-28
BEGIN;
INSERT INTO pacientes SELECT codigo, registo, nome, correio, telemovel, concelho, lingua, inscrito FROM pacientes WHERE registo = 28 ON CONFLICT (registo) DO UPDATE SET lingua = 'fr' RETURNING correio;
ROLLBACK;
-- technique: own_matview | shows: derived | subjects: p 29-31
CREATE MATERIALIZED VIEW parada AS SELECT reverse(nome) AS a FROM pacientes WHERE registo BETWEEN 29 AND 31;
SELECT a FROM parada;
-- technique: refreshed_matview | shows: derived | subjects: p 29-31
CREATE MATERIALIZED VIEW parada AS SELECT upper(nome) AS a FROM pacientes WHERE registo BETWEEN 29 AND 31 WITH NO DATA;
REFRESH MATERIALIZED VIEW parada;
SELECT a FROM parada;
-- technique: generated_column | shows: derived | subjects: p 32-33
CREATE TABLE copia (a text, b text GENERATED ALWAYS AS (reverse(a)) STORED);
INSERT INTO copia (a) SELECT nome FROM pacientes WHERE registo IN (32, 33);
SELECT b FROM copia;
-- technique: column_default | shows: plain | subjects: p 32-33
CREATE FUNCTION d() RETURNS text LANGUAGE sql AS 'SELECT string_agg(correio, '','') FROM pacientes WHERE registo IN (32, 33)';
CREATE TABLE copia (n int, a text DEFAULT d());
INSERT INTO copia VALUES (1) RETURNING a;
-- technique: trigger_copies | shows: derived | subjects: p 34-34
CREATE TABLE fonte (n int);
CREATE TABLE copia (a text);
CREATE FUNCTION copiar() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO copia SELECT reverse(nome) FROM pacientes WHERE registo = NEW.n;
    RETURN NEW;
END $$;
CREATE TRIGGER t BEFORE INSERT ON fonte FOR EACH ROW EXECUTE FUNCTION copiar();
INSERT INTO fonte VALUES (34);
SELECT a FROM copia;
-- technique: rule_answers | shows: derived | subjects: p 35-36
CREATE TABLE fonte (n int);
CREATE RULE r AS ON INSERT TO fonte DO ALSO SELECT reverse(nome) FROM pacientes WHERE registo IN (NEW.n, NEW.n + 1);
INSERT INTO fonte VALUES (35);
-- technique: rule_on_select | shows: derived | subjects: p 35-36
CREATE VIEW fonte AS SELECT 1 AS n;
CREATE RULE r AS ON UPDATE TO fonte DO INSTEAD SELECT upper(nome) FROM pacientes WHERE registo IN (35, 36);
UPDATE fonte SET n = 2;
-- technique: setting | shows: plain | subjects: p 37-37
SELECT set_config('meu.valor', (SELECT correio FROM pacientes WHERE registo = 37), false);
SHOW meu.valor;
-- technique: setting_of_name | shows: derived | subjects: p 37-37
SELECT length(set_config('meu.valor', (SELECT nome FROM pacientes WHERE registo = 37), false)) > 0;
SELECT reverse(current_setting('meu.valor'));
-- technique: application_name | shows: plain | subjects: p 38-38
SELECT set_config('application_name', (SELECT correio FROM pacientes WHERE registo = 38), false) IS NULL;
SHOW application_name;
-- technique: activity_view | shows: plain | subjects: p 38-38
SELECT set_config('application_name', (SELECT correio FROM pacientes WHERE registo = 38), false) IS NULL;
SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid();
-- technique: large_object | shows: plain | subjects: p 39-42
BEGIN;
SELECT lo_from_bytea(777001, (SELECT string_agg(correio, E'\n')::bytea FROM pacientes WHERE registo BETWEEN 39 AND 42));
SELECT lo_get(777001);
ROLLBACK;
-- technique: large_object_of_names | shows: derived | subjects: p 39-42
BEGIN;
SELECT lo_from_bytea(777002, (SELECT convert_to(string_agg(nome, ','), 'UTF8') FROM pacientes WHERE registo BETWEEN 39 AND 42));
SELECT loread(lo_open(777002, 262144), 1000);
ROLLBACK;
-- technique: large_object_in_chunks | shows: plain | subjects: p 39-42
BEGIN;
SELECT lo_from_bytea(777003, (SELECT string_agg(correio, E'\n')::bytea FROM pacientes WHERE registo BETWEEN 39 AND 42));
SELECT lo_get(777003, n * 7, 7) FROM generate_series(0, 20) n;
ROLLBACK;
-- technique: sequence_holds_ticket | shows: plain | subjects: p 43-43
CREATE SEQUENCE s;
SELECT setval('s', (SELECT numero::bigint FROM consultas WHERE ordem = 43));
SELECT last_value FROM s;
-- technique: comment_on_object | shows: plain | subjects: p 44-44
DO $$ BEGIN EXECUTE format('COMMENT ON SCHEMA vermelho_comment_on_object IS %L', (SELECT correio FROM pacientes WHERE registo = 44)); END $$;
SELECT obj_description('vermelho_comment_on_object'::regnamespace);
-- technique: name_of_a_table | shows: plain | subjects: p 44-44
SELECT format('CREATE TABLE %I ()', correio) FROM pacientes WHERE registo = 44 \gexec
SELECT relname FROM pg_class WHERE relnamespace = 'vermelho_name_of_a_table'::regnamespace;
-- technique: role_setting | shows: plain | subjects: p 45-45 | role: superuser
SELECT format('ALTER ROLE vermelho_role_setting SET meu.valor = %L', correio) FROM pacientes WHERE registo = 45 \gexec
SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'vermelho_role_setting'::regrole;
-- technique: merge_returns_count | shows: derived | subjects: p 12-12
CREATE TABLE copia (n int);
INSERT INTO copia VALUES (1);
MERGE INTO copia USING (SELECT 1 AS n WHERE (SELECT nome < 'M' FROM pacientes WHERE registo = 12)) s ON copia.n = s.n WHEN MATCHED THEN DELETE;
-- technique: insert_in_cte | shows: derived | subjects: p 13-14
CREATE TABLE copia (a text);
WITH i AS (INSERT INTO copia (a) SELECT reverse(nome) FROM pacientes WHERE registo IN (13, 14) RETURNING a) SELECT a FROM i;
-- technique: upsert_returns_name | shows: derived | subjects: p 15-15
BEGIN;
INSERT INTO pacientes (codigo, registo, nome, concelho, lingua, inscrito) VALUES (md5('paciente 15')::uuid, 15, 'x', 'x', 'pt', '2020-01-01') ON CONFLICT (codigo) DO UPDATE SET lingua = 'fr' RETURNING reverse(pacientes.nome);
ROLLBACK;
-- technique: updatable_view_returning | shows: derived | subjects: p 16-17
CREATE VIEW editavel AS SELECT registo, nome, concelho FROM pacientes;
BEGIN;
UPDATE editavel SET concelho = 'Évora' WHERE registo IN (16, 17) RETURNING upper(nome);
ROLLBACK;
-- technique: default_reads | shows: derived | subjects: p 18-18
CREATE FUNCTION d() RETURNS text LANGUAGE sql AS 'SELECT reverse(nome) FROM pacientes WHERE registo = 18';
CREATE TABLE copia (n int, a text DEFAULT d());
INSERT INTO copia (n) VALUES (1);
TABLE copia;
-- technique: check_reads | shows: derived | subjects: p 19-19 | ends: error
CREATE FUNCTION v(n int) RETURNS boolean LANGUAGE sql AS 'SELECT nome > ''Z'' FROM atendimento.pacientes WHERE registo = n';
CREATE TABLE copia (n int CHECK (v(n)));
INSERT INTO copia VALUES (19);
-- technique: trigger_on_update | shows: derived | subjects: p 20-20
CREATE TABLE fonte (n int);
CREATE TABLE copia (a text);
INSERT INTO fonte VALUES (1);
CREATE FUNCTION copiar() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO copia SELECT reverse(nome) FROM pacientes WHERE registo = NEW.n;
    RETURN NEW;
END $$;
CREATE TRIGGER t AFTER UPDATE ON fonte FOR EACH ROW EXECUTE FUNCTION copiar();
UPDATE fonte SET n = 20;
TABLE copia;
-- technique: rule_on_delete | shows: derived | subjects: p 21-21
CREATE TABLE fonte (n int);
INSERT INTO fonte VALUES (21);
CREATE RULE r AS ON DELETE TO fonte DO ALSO SELECT upper(nome) FROM pacientes WHERE registo = 21;
DELETE FROM fonte WHERE n = 21;
-- technique: copy_in_sets_off_trigger | shows: derived | subjects: p 22-22
CREATE TABLE fonte (n int);
CREATE TABLE copia (a text);
CREATE FUNCTION copiar() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO copia SELECT reverse(nome) FROM pacientes WHERE registo = NEW.n;
    RETURN NEW;
END $$;
CREATE TRIGGER t BEFORE INSERT ON fonte FOR EACH ROW EXECUTE FUNCTION copiar();
COPY fonte FROM STDIN;
22
\.
SELECT a FROM copia;
-- technique: domain_check_reads | shows: derived | subjects: p 23-23 | ends: error
CREATE FUNCTION v(t text) RETURNS boolean LANGUAGE sql AS 'SELECT nome > t FROM atendimento.pacientes WHERE registo = 23';
CREATE DOMAIN maior AS text CHECK (v(VALUE));
SELECT 'Z'::maior;
-- technique: two_copies_on | shows: derived | subjects: p 24-24
CREATE TEMP TABLE passo AS SELECT nome AS a FROM pacientes WHERE registo = 24;
CREATE TEMP TABLE passo2 AS SELECT reverse(a) AS b FROM passo;
COPY passo2 TO STDOUT;
-- technique: rule_of_own_view | shows: derived | subjects: p 25-26
CREATE TABLE copia (a text);
CREATE VIEW minha AS SELECT registo, nome, concelho FROM pacientes;
CREATE RULE r AS ON UPDATE TO minha DO INSTEAD INSERT INTO copia VALUES (reverse(OLD.nome));
UPDATE minha SET concelho = 'x' WHERE registo IN (25, 26);
TABLE copia;
-- technique: trigger_of_own_view | shows: derived | subjects: p 27-27
CREATE TABLE copia (a text);
CREATE VIEW minha AS SELECT registo, nome, concelho FROM pacientes;
CREATE FUNCTION desviar() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO copia VALUES (reverse(OLD.nome)); RETURN NULL; END $$;
CREATE TRIGGER t INSTEAD OF DELETE ON minha FOR EACH ROW EXECUTE FUNCTION desviar();
DELETE FROM minha WHERE registo = 27;
TABLE copia;
