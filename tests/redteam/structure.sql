-- JSON, XML, arrays, records.

-- technique: json_agg | shows: plain | subjects: p 1-8
SELECT json_agg(correio) FROM pacientes WHERE registo <= 8;
-- technique: json_agg_of_names | shows: derived | subjects: p 1-8
SELECT json_agg(nome) FROM pacientes WHERE registo <= 8;
-- technique: json_agg_of_rows | shows: plain | subjects: p 9-12
SELECT json_agg(p) FROM pacientes p WHERE registo BETWEEN 9 AND 12;
-- technique: row_to_json | shows: plain | subjects: p 9-12
SELECT row_to_json(p) FROM pacientes p WHERE registo BETWEEN 9 AND 12;
-- technique: to_jsonb_extended | shows: plain | subjects: f 3-6 | protocol: extended
SELECT to_jsonb(f)::text FROM funcionarios f WHERE registo BETWEEN 3 AND 6;
-- technique: jsonb_minus_key | shows: plain | subjects: f 3-6
SELECT to_jsonb(f) - 'matricula' FROM funcionarios f WHERE registo BETWEEN 3 AND 6;
-- technique: jsonb_build_object | shows: plain | subjects: p 13-15
SELECT jsonb_build_object('a', correio, 'b', jsonb_build_array(telemovel)) FROM pacientes WHERE registo BETWEEN 13 AND 15;
-- technique: json_object_agg | shows: plain | subjects: p 13-15
SELECT json_object_agg(correio, nome) FROM pacientes WHERE registo BETWEEN 13 AND 15;
-- technique: json_as_key | shows: plain | subjects: p 13-15
SELECT jsonb_object_keys(jsonb_build_object(correio, 1)) FROM pacientes WHERE registo BETWEEN 13 AND 15;
-- technique: json_extracted | shows: plain | subjects: p 16-18
SELECT to_json(p)->>'correio' FROM pacientes p WHERE registo BETWEEN 16 AND 18;
-- technique: json_each | shows: plain | subjects: p 16-18
SELECT e.value FROM pacientes p, jsonb_each_text(to_jsonb(p)) e WHERE registo BETWEEN 16 AND 18;
-- technique: json_path | shows: plain | subjects: p 16-18
SELECT jsonb_path_query(to_jsonb(p), '$.correio') FROM pacientes p WHERE registo BETWEEN 16 AND 18;
-- technique: json_escaped | shows: plain | subjects: p 16-18
SELECT to_json(E'"\t' || correio || '"') FROM pacientes WHERE registo BETWEEN 16 AND 18;
-- technique: json_populate | shows: plain | subjects: p 19-20
SELECT (jsonb_populate_record(null::pacientes, to_jsonb(p))).* FROM pacientes p WHERE registo IN (19, 20);
-- technique: json_number_of_ticket | shows: plain | subjects: p 5-7
SELECT jsonb_build_object('n', numero::numeric) FROM consultas WHERE ordem BETWEEN 5 AND 7;
-- technique: array_agg | shows: plain | subjects: p 20-29
SELECT array_agg(correio ORDER BY registo) FROM pacientes WHERE registo BETWEEN 20 AND 29;
-- technique: array_agg_extended | shows: plain | subjects: p 20-29 | protocol: extended
SELECT array_agg(correio) FROM pacientes WHERE registo BETWEEN 20 AND 29;
-- technique: array_constructor | shows: plain | subjects: p 30-31
SELECT ARRAY[nome, correio] FROM pacientes WHERE registo IN (30, 31);
-- technique: array_of_subquery | shows: plain | subjects: p 30-34
SELECT ARRAY(SELECT telemovel FROM pacientes WHERE registo BETWEEN 30 AND 34 AND telemovel IS NOT NULL
             UNION ALL SELECT correio FROM pacientes WHERE registo BETWEEN 30 AND 34);
-- technique: array_unnested | shows: plain | subjects: p 30-34
SELECT unnest(array_agg(correio)) FROM pacientes WHERE registo BETWEEN 30 AND 34;
-- technique: nested_arrays | shows: plain | subjects: p 35-36
SELECT array_agg(ARRAY[correio, upper(correio)]) FROM pacientes WHERE registo IN (35, 36);
-- technique: array_of_rows | shows: plain | subjects: f 11-13
SELECT array_agg(f) FROM funcionarios f WHERE registo BETWEEN 11 AND 13;
-- technique: array_to_string | shows: plain | subjects: p 35-36
SELECT array_to_string(array_agg(correio), '|') FROM pacientes WHERE registo IN (35, 36);
-- technique: string_agg | shows: plain | subjects: p 37-44
SELECT string_agg(correio, ',') FROM pacientes WHERE registo BETWEEN 37 AND 44;
-- technique: string_agg_of_names | shows: derived | subjects: p 37-44
SELECT string_agg(nome, '/') FROM pacientes WHERE registo BETWEEN 37 AND 44;
-- technique: string_agg_of_initials | shows: derived | subjects: p 37-44
SELECT string_agg(left(nome, 1), '') FROM pacientes WHERE registo BETWEEN 37 AND 44;
-- technique: string_agg_without_separator | shows: derived | subjects: p 37-44
SELECT string_agg(correio, '' ORDER BY registo) FROM pacientes WHERE registo BETWEEN 37 AND 44;
-- technique: bytes_agg | shows: plain | subjects: p 37-38
SELECT string_agg(correio::bytea, '\x0a') FROM pacientes WHERE registo IN (37, 38);
-- technique: xmlagg | shows: plain | subjects: p 45-47
SELECT xmlagg(xmlelement(name pessoa, xmlattributes(registo AS n), correio)) FROM pacientes WHERE registo BETWEEN 45 AND 47;
-- technique: xmlforest_extended | shows: plain | subjects: p 45-47 | protocol: extended
SELECT xmlforest(correio AS c, telemovel AS t)::text FROM pacientes WHERE registo BETWEEN 45 AND 47;
-- technique: query_to_xml | shows: plain | subjects: p 48-50
SELECT query_to_xml('SELECT correio FROM pacientes WHERE registo BETWEEN 48 AND 50', true, false, '');
-- technique: query_to_xml_names | shows: derived | subjects: p 48-50
SELECT query_to_xml('SELECT nome FROM pacientes WHERE registo BETWEEN 48 AND 50', true, false, '');
-- technique: table_to_xml | shows: plain | subjects: f 1-25
SELECT table_to_xml('funcionarios', false, true, '');
-- technique: schema_to_xml | shows: plain | subjects: SELECT codigo::text FROM pacientes UNION ALL SELECT matricula::text FROM funcionarios
SELECT schema_to_xml('atendimento', true, false, '');
-- technique: cursor_to_xml | shows: plain | subjects: p 51-52
BEGIN;
DECLARE c CURSOR FOR SELECT correio FROM pacientes WHERE registo IN (51, 52);
SELECT cursor_to_xml('c', 10, false, true, '');
COMMIT;
-- technique: xpath | shows: plain | subjects: p 51-52
SELECT xpath('/r/text()', xmlelement(name r, correio)) FROM pacientes WHERE registo IN (51, 52);
-- technique: xmltable | shows: plain | subjects: p 51-52
SELECT x.v FROM pacientes, XMLTABLE('/r' PASSING xmlelement(name r, correio) COLUMNS v text PATH '.') x WHERE registo IN (51, 52);
-- technique: row_constructor | shows: plain | subjects: p 53-54
SELECT ROW(nome, correio, 1) FROM pacientes WHERE registo IN (53, 54);
-- technique: composite_cast | shows: plain | subjects: p 53-54
CREATE TYPE par AS (a text, b text);
SELECT ROW(telemovel, correio)::par FROM pacientes WHERE registo IN (53, 54);
-- technique: composite_text | shows: plain | subjects: p 53-54
SELECT p::text FROM pacientes p WHERE registo IN (53, 54);
-- technique: composite_member | shows: derived | subjects: p 53-54
SELECT reverse((p).correio) FROM (SELECT p FROM pacientes p WHERE registo IN (53, 54)) x;
-- technique: domain_type | shows: plain | subjects: p 55-56
CREATE DOMAIN endereco AS text;
SELECT correio::endereco FROM pacientes WHERE registo IN (55, 56);
-- technique: hstore_like_text | shows: plain | subjects: p 55-56
SELECT '"correio"=>"' || correio || '"' FROM pacientes WHERE registo IN (55, 56);
-- technique: csv_in_text | shows: plain | subjects: p 55-60
SELECT string_agg(format('%s,"%s",%s', registo, correio, telemovel), E'\n') FROM pacientes WHERE registo BETWEEN 55 AND 60;
-- technique: url_in_text | shows: plain | subjects: p 55-56
SELECT 'https://x.example/?c=' || correio || '&n=1' FROM pacientes WHERE registo IN (55, 56);
-- technique: percent_encoded | shows: derived | subjects: p 55-56
SELECT replace(correio, '@', '%40') FROM pacientes WHERE registo IN (55, 56);
