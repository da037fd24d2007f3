-- What the red team attacks: nothing here is named or shaped as in the demo. `registo` counts from 1, so
-- that the ground truth of a technique can be told in numbers.
CREATE SCHEMA atendimento;
SET search_path = atendimento;

CREATE TABLE pacientes (
    codigo    uuid PRIMARY KEY,
    registo   int NOT NULL UNIQUE,
    nome      text NOT NULL,
    correio   text UNIQUE,
    telemovel text,
    concelho  text NOT NULL,
    lingua    text NOT NULL,
    inscrito  date NOT NULL
);
INSERT INTO pacientes
SELECT md5('paciente ' || n)::uuid, n, proprio || ' ' || apelido,
       CASE WHEN n % 3 = 0 THEN initcap(sem_acento) ELSE lower(sem_acento) END
           || '.' || lower(familia) || n || CASE n % 2 WHEN 0 THEN '@Sapo.pt' ELSE '@correio.example' END,
       CASE WHEN n % 5 = 4 THEN NULL
            ELSE '+351 9' || (array['1', '2', '3', '6'])[n % 4 + 1] || (n * 7 % 10)
                 || ' ' || lpad((n * 389 % 1000)::text, 3, '0') || ' ' || lpad((n * 571 % 1000)::text, 3, '0')
       END,
       (array['Lisboa', 'Porto', 'Braga', 'Faro'])[n % 4 + 1], (array['pt', 'en', 'uk'])[n % 3 + 1],
       date '2019-03-01' + n * 17
FROM generate_series(1, 60) n,
     LATERAL (SELECT (array['João', 'Conceição', 'Inês', 'Álvaro', 'Marta', 'Gonçalo', 'Luísa'])[n % 7 + 1] proprio,
                     (array['Joao', 'Conceicao', 'Ines', 'Alvaro', 'Marta', 'Goncalo', 'Luisa'])[n % 7 + 1] sem_acento,
                     (array['Magalhães', 'Brandão', 'Teles', 'Lourenço', 'Quintela'])[n % 5 + 1] apelido,
                     (array['Magalhaes', 'Brandao', 'Teles', 'Lourenco', 'Quintela'])[n % 5 + 1] familia) nomes;

CREATE TABLE consultas (
    ordem           int PRIMARY KEY,
    numero          text NOT NULL UNIQUE,
    codigo_paciente uuid NOT NULL REFERENCES pacientes (codigo),
    medico          text NOT NULL,
    estado          text NOT NULL,
    marcada         timestamptz NOT NULL
);
-- Two for each patient: consultation n is of patient (n - 1) % 60 + 1.
INSERT INTO consultas
SELECT n, (40000000 + n * 104729)::text, md5('paciente ' || ((n - 1) % 60 + 1))::uuid,
       (array['dr.a', 'dr.b', 'dr.c'])[n % 3 + 1], CASE WHEN n % 4 = 0 THEN 'aberta' ELSE 'fechada' END,
       timestamptz '2026-01-05 08:00Z' + n * interval '7 hours'
FROM generate_series(1, 120) n;

CREATE TABLE funcionarios (
    matricula bigint PRIMARY KEY,
    registo   int NOT NULL UNIQUE,
    nome      text NOT NULL,
    correio   text NOT NULL,
    ramal     text NOT NULL,
    servico   text NOT NULL
);
INSERT INTO funcionarios
SELECT 9000000000 + n * 7919, n, (array['Rui', 'Sofia', 'Tomás', 'Vera'])[n % 4 + 1] || ' Falcão ' || n,
       'equipa.' || n || '@Clinica.example', '+351 21 ' || lpad((3000000 + n * 8447)::text, 7, '0'),
       (array['urgência', 'farmácia', 'arquivo'])[n % 3 + 1]
FROM generate_series(1, 25) n;

CREATE TABLE servicos (nome text PRIMARY KEY, piso int NOT NULL);
INSERT INTO servicos VALUES ('urgência', 0), ('farmácia', 1), ('arquivo', -1);

CREATE VIEW ficha AS SELECT p.codigo AS id, p.nome AS quem, p.correio AS contacto, p.registo FROM pacientes p;
CREATE VIEW ficha_invertida AS SELECT reverse(correio) AS oierroc, registo FROM pacientes;
CREATE MATERIALIZED VIEW lista_parada AS SELECT registo, nome, correio AS c FROM pacientes WHERE registo <= 30;
ANALYZE;

-- The red team may read everything, write what can be rolled back, and rename itself.
CREATE ROLE equipa_vermelha;
GRANT USAGE, CREATE ON SCHEMA atendimento TO equipa_vermelha;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA atendimento TO equipa_vermelha;
GRANT pg_read_all_stats TO equipa_vermelha;
GRANT CREATE ON DATABASE clinica TO equipa_vermelha;
ALTER DATABASE clinica SET search_path = "$user", atendimento, public;
CREATE ROLE guarda LOGIN PASSWORD 'guarda';
GRANT USAGE ON SCHEMA atendimento TO guarda;
GRANT SELECT ON ALL TABLES IN SCHEMA atendimento TO guarda;
