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
