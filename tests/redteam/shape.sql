-- Other columns, other names, other cases.

-- technique: another_order | shows: plain | subjects: p 1-5
SELECT correio, nome, codigo FROM pacientes WHERE registo <= 5;
-- technique: alias | shows: plain | subjects: p 3-9
SELECT telemovel AS n1, correio AS n2 FROM pacientes AS x WHERE registo BETWEEN 3 AND 9;
-- technique: star | shows: plain | subjects: p 10-14
SELECT * FROM pacientes WHERE registo BETWEEN 10 AND 14;
-- technique: table_command | shows: plain | subjects: f 1-25
TABLE funcionarios;
-- technique: whole_row | shows: plain | subjects: p 4-6
SELECT p FROM pacientes p WHERE registo BETWEEN 4 AND 6;
-- technique: name_alone | shows: derived | subjects: p 21-25
SELECT nome FROM pacientes WHERE registo BETWEEN 21 AND 25;
-- technique: mail_alone_extended | shows: plain | subjects: p 21-25 | protocol: extended
SELECT correio FROM pacientes WHERE registo BETWEEN 21 AND 25;
-- technique: ticket_alone | shows: plain | subjects: p 7-9
SELECT numero FROM consultas WHERE ordem BETWEEN 7 AND 9;
-- technique: phone_without_key | shows: plain | subjects: p 1-3
SELECT telemovel FROM pacientes WHERE registo <= 3;
-- technique: two_kinds_joined | shows: plain | subjects: SELECT codigo::text FROM pacientes WHERE registo <= 3 UNION ALL SELECT matricula::text FROM funcionarios WHERE registo <= 3
SELECT p.correio, f.correio FROM pacientes p JOIN funcionarios f ON f.registo = p.registo WHERE p.registo <= 3;
-- technique: upper | shows: plain | subjects: p 1-4
SELECT upper(correio) FROM pacientes WHERE registo <= 4;
-- technique: lower_initcap | shows: plain | subjects: p 5-8
SELECT lower(correio), initcap(nome) FROM pacientes WHERE registo BETWEEN 5 AND 8;
-- technique: upper_name | shows: derived | subjects: p 5-8
SELECT upper(nome) FROM pacientes WHERE registo BETWEEN 5 AND 8;
-- technique: reverse | shows: derived | subjects: p 9-12
SELECT reverse(correio) FROM pacientes WHERE registo BETWEEN 9 AND 12;
-- technique: translate | shows: derived | subjects: p 2-6
SELECT translate(correio, 'abcdefghijklmnopqrstuvwxyz@', 'nopqrstuvwxyzabcdefghijklm#') FROM pacientes WHERE registo BETWEEN 2 AND 6;
-- technique: overlay | shows: derived | subjects: p 2-3
SELECT overlay(correio PLACING '***' FROM 2 FOR 3) FROM pacientes WHERE registo IN (2, 3);
-- technique: replace_at | shows: derived | subjects: p 30-33
SELECT replace(correio, '@', ' em ') FROM pacientes WHERE registo BETWEEN 30 AND 33;
-- technique: substring | shows: derived | subjects: p 41-42
SELECT substr(correio, 2), left(correio, 6), right(correio, 12) FROM pacientes WHERE registo IN (41, 42);
-- technique: split_part | shows: derived | subjects: p 41-43
SELECT split_part(correio, '@', 1), split_part(correio, '@', 2) FROM pacientes WHERE registo BETWEEN 41 AND 43;
-- technique: padded | shows: plain | subjects: p 15-16
SELECT lpad(correio, 60, '.'), rpad(correio, 60, ' ') FROM pacientes WHERE registo IN (15, 16);
-- technique: concatenated | shows: plain | subjects: p 17-19
SELECT nome || ' <' || correio || '>' FROM pacientes WHERE registo BETWEEN 17 AND 19;
-- technique: concat_ws | shows: plain | subjects: p 17-19
SELECT concat_ws(';', registo, correio, telemovel) FROM pacientes WHERE registo BETWEEN 17 AND 19;
-- technique: glued_to_letters | shows: derived | subjects: p 17-19
SELECT 'x' || correio || 'x' FROM pacientes WHERE registo BETWEEN 17 AND 19;
-- technique: format | shows: plain | subjects: p 20-22
SELECT format('Contacto: %s (%L)', nome, correio) FROM pacientes WHERE registo BETWEEN 20 AND 22;
-- technique: quoted | shows: plain | subjects: p 22-24
SELECT quote_literal(correio), quote_ident(correio) FROM pacientes WHERE registo BETWEEN 22 AND 24;
-- technique: phone_digits | shows: plain | subjects: p 1-3
SELECT regexp_replace(telemovel, '\D', '', 'g') FROM pacientes WHERE registo <= 3;
-- technique: phone_national | shows: plain | subjects: p 1-3
SELECT replace(substr(telemovel, 6), ' ', '') FROM pacientes WHERE registo <= 3;
-- technique: phone_dashes | shows: plain | subjects: p 1-3
SELECT '00' || replace(substr(telemovel, 2), ' ', '-') FROM pacientes WHERE registo <= 3;
-- technique: ticket_prefixed | shows: plain | subjects: p 11-13
SELECT 'CONS-' || numero FROM consultas WHERE ordem BETWEEN 11 AND 13;
-- technique: ticket_as_number | shows: plain | subjects: p 11-13
SELECT numero::bigint, numero::numeric(20, 2) FROM consultas WHERE ordem BETWEEN 11 AND 13;
-- technique: ticket_plus_one | shows: derived | subjects: p 11-13
SELECT numero::bigint + 1 FROM consultas WHERE ordem BETWEEN 11 AND 13;
-- technique: quoted_identifiers | shows: plain | subjects: p 6-8
SELECT "p"."correio" AS "não é um ""correio""" FROM "atendimento"."pacientes" AS "p" WHERE "registo" BETWEEN 6 AND 8;
-- technique: unicode_identifiers | shows: plain | subjects: p 6-8
SELECT U&"corr\0065io" FROM U&"p\0061cientes" WHERE registo BETWEEN 6 AND 8;
-- technique: renamed_by_alias_list | shows: derived | subjects: p 6-8
SELECT reverse(d) FROM pacientes AS t(a, b, c, d) WHERE b BETWEEN 6 AND 8;
-- technique: same_column_twice_under_other_name | shows: plain | subjects: p 6-6
SELECT correio AS registo, registo AS correio FROM pacientes WHERE registo = 6;
