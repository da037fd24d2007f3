-- Casts and encodings.

-- technique: cast_to_bytea | shows: plain | subjects: p 1-3
SELECT correio::bytea FROM pacientes WHERE registo <= 3;
-- technique: convert_to_bytes_extended | shows: plain | subjects: p 1-3 | protocol: extended
SELECT convert_to(correio, 'UTF8') FROM pacientes WHERE registo <= 3;
-- technique: hex | shows: plain | subjects: p 4-6
SELECT encode(correio::bytea, 'hex') FROM pacientes WHERE registo BETWEEN 4 AND 6;
-- technique: base64 | shows: derived | subjects: p 4-6
SELECT encode(convert_to(correio, 'UTF8'), 'base64') FROM pacientes WHERE registo BETWEEN 4 AND 6;
-- technique: escape_encoding | shows: plain | subjects: p 7-9
SELECT encode(convert_to(correio, 'UTF8'), 'escape') FROM pacientes WHERE registo BETWEEN 7 AND 9;
-- technique: md5_sum | shows: derived | subjects: p 7-9
SELECT md5(correio) FROM pacientes WHERE registo BETWEEN 7 AND 9;
-- technique: sha256_sum | shows: derived | subjects: f 7-9
SELECT sha256(correio::bytea) FROM funcionarios WHERE registo BETWEEN 7 AND 9;
-- technique: hash_number | shows: derived | subjects: f 7-9
SELECT hashtext(correio) FROM funcionarios WHERE registo BETWEEN 7 AND 9;
-- technique: varchar_and_char | shows: plain | subjects: p 10-12
SELECT correio::varchar(80), correio::char(80), telemovel::varchar FROM pacientes WHERE registo BETWEEN 10 AND 12;
-- technique: name_type | shows: plain | subjects: p 10-12
SELECT correio::name FROM pacientes WHERE registo BETWEEN 10 AND 12;
-- technique: letters_spread | shows: derived | subjects: p 13-14
SELECT regexp_replace(correio, '(.)', '\1 ', 'g') FROM pacientes WHERE registo IN (13, 14);
-- technique: code_points | shows: derived | subjects: p 13-14
SELECT array_agg(ascii(letra)) FROM pacientes, regexp_split_to_table(correio, '') AS letra WHERE registo IN (13, 14) GROUP BY registo;
-- technique: letters_as_rows | shows: derived | subjects: p 13-13
SELECT regexp_split_to_table(correio, '') FROM pacientes WHERE registo = 13;
-- technique: length_only | shows: derived | subjects: p 15-17
SELECT length(correio) FROM pacientes WHERE registo BETWEEN 15 AND 17;
-- technique: bits | shows: derived | subjects: p 18-19
SELECT get_byte(correio::bytea, 0), get_bit(correio::bytea, 9) FROM pacientes WHERE registo IN (18, 19);
-- technique: ticket_in_hex | shows: derived | subjects: p 11-13
SELECT to_hex(numero::bigint) FROM consultas WHERE ordem BETWEEN 11 AND 13;
-- technique: ticket_with_separators | shows: derived | subjects: p 11-13
SELECT to_char(numero::bigint, 'FM999G999G999') FROM consultas WHERE ordem BETWEEN 11 AND 13;
-- technique: ticket_as_float | shows: derived | subjects: p 11-13
SELECT numero::float8 / 1000 FROM consultas WHERE ordem BETWEEN 11 AND 13;
-- technique: ticket_as_binary_integer | shows: plain | subjects: p 11-13 | protocol: extended
SELECT numero::int FROM consultas WHERE ordem BETWEEN 11 AND 13;
-- technique: ticket_as_time | shows: derived | subjects: p 11-13
SELECT to_timestamp(numero::bigint) FROM consultas WHERE ordem BETWEEN 11 AND 13;
-- technique: latin1_bytes | shows: derived | subjects: p 20-23
SELECT convert_to(nome, 'LATIN1') FROM pacientes WHERE registo BETWEEN 20 AND 23;
-- technique: client_encoding_latin1 | shows: derived | subjects: p 20-23
SET client_encoding = 'LATIN1';
SELECT nome FROM pacientes WHERE registo BETWEEN 20 AND 23;
-- technique: bytea_output_escape | shows: plain | subjects: p 20-22
SET bytea_output = 'escape';
SELECT correio::bytea FROM pacientes WHERE registo BETWEEN 20 AND 22;
-- technique: regexp_parts | shows: derived | subjects: p 24-26
SELECT regexp_matches(correio, '^(.*)@(.*)$') FROM pacientes WHERE registo BETWEEN 24 AND 26;
-- technique: regexp_whole | shows: plain | subjects: p 24-26
SELECT (regexp_match(correio, '.+'))[1] FROM pacientes WHERE registo BETWEEN 24 AND 26;
-- technique: search_vector | shows: plain | subjects: p 24-26
SELECT to_tsvector('simple', correio) FROM pacientes WHERE registo BETWEEN 24 AND 26;
-- technique: search_headline | shows: plain | subjects: p 27-27
SELECT ts_headline('simple', correio, to_tsquery('simple', 'example')) FROM pacientes WHERE registo = 27;
-- technique: comparison_to_literal | shows: derived | subjects: p 28-30
SELECT correio > 'm', nome = 'Marta Teles' FROM pacientes WHERE registo BETWEEN 28 AND 30;
-- technique: range_of_text | shows: plain | subjects: p 28-30
CREATE TYPE faixa AS RANGE (subtype = text);
SELECT faixa(lower(correio), lower(correio), '[]') FROM pacientes WHERE registo BETWEEN 28 AND 30;
-- technique: multirange_of_tickets | shows: plain | subjects: p 1-4
SELECT range_agg(int8range(numero::bigint, numero::bigint, '[]')) FROM consultas WHERE ordem <= 4;
-- technique: money | shows: derived | subjects: p 1-4
SELECT numero::int::money FROM consultas WHERE ordem <= 4;
-- technique: inet_of_number | shows: derived | subjects: p 1-4
SELECT '0.0.0.0'::inet + numero::bigint FROM consultas WHERE ordem <= 4;
