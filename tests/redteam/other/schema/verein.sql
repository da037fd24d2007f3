-- A second ground: names that need quotes, a key of text, partitions, domains, numbers kept bare. `lfd` counts
-- from 1, so that the ground truth of a technique can be told in numbers.
CREATE SCHEMA "Verein";
SET search_path = "Verein";

CREATE DOMAIN anschrift AS text CHECK (VALUE LIKE '%@%');
CREATE TABLE "Mitglied" (
    "Nr"       text NOT NULL,
    lfd        int NOT NULL,
    "Vorname"  text NOT NULL,
    "Nachname" varchar(60) NOT NULL,
    "E-Mail"   anschrift,
    mobil      bigint,
    ort        text NOT NULL,
    beitritt   date NOT NULL,
    PRIMARY KEY ("Nr", beitritt)
) PARTITION BY RANGE (beitritt);
CREATE TABLE mitglied_alt PARTITION OF "Mitglied" FOR VALUES FROM (MINVALUE) TO ('2021-01-01');
CREATE TABLE mitglied_neu PARTITION OF "Mitglied" FOR VALUES FROM ('2021-01-01') TO (MAXVALUE);
-- The first 20 are in the older partition.
INSERT INTO "Mitglied"
SELECT chr(65 + n % 26) || '/' || n * 37, n, (array['Jörg', 'Änne', 'Bodo', 'Käthe'])[n % 4 + 1],
       (array['Öztürk', 'Adler', 'Muster', 'Quast', 'Zöllner'])[n % 5 + 1] || chr(97 + n % 26) || chr(97 + n / 2),
       'mitglied-' || n * 11 || '@' || (array['Post.example', 'verein.example'])[n % 2 + 1],
       CASE WHEN n % 6 = 5 THEN NULL ELSE 491700000000 + n * 7654321 END,
       (array['Ulm', 'Kiel', 'Jena'])[n % 3 + 1],
       CASE WHEN n <= 20 THEN date '2015-01-31' ELSE date '2022-04-30' END + n * 13
FROM generate_series(1, 40) n;

CREATE TABLE beleg (
    id           int PRIMARY KEY,
    aktenzeichen text NOT NULL UNIQUE,
    mitglied     text NOT NULL,
    betrag       numeric NOT NULL,
    am           date NOT NULL
);
-- Receipt n is of member (n - 1) % 40 + 1.
INSERT INTO beleg
SELECT n, 'RE-' || 2020 + n % 4 || '/' || lpad((n * 6151)::text, 7, '0'), m."Nr", n * 3.5, date '2023-01-01' + n % 30
FROM generate_series(1, 100) n JOIN "Mitglied" m ON m.lfd = (n - 1) % 40 + 1;

CREATE TABLE konto (mitglied text PRIMARY KEY, iban text NOT NULL);
INSERT INTO konto
SELECT "Nr", 'DE' || lpad((lfd * 97 % 89 + 10)::text, 2, '0') || lpad((lfd * 98765432101)::text, 18, '7') FROM "Mitglied";

CREATE TABLE "user" (
    id      int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    n       int NOT NULL,
    name    text NOT NULL,
    mail    text NOT NULL,
    telefon text NOT NULL
);
INSERT INTO "user" (n, name, mail, telefon)
SELECT n, 'Trainer ' || chr(64 + n) || 'hl', 'trainer' || n || '@verein.example', '(030) 555-' || 1000 + n * 77
FROM generate_series(1, 9) n;

CREATE TABLE sparte (name text PRIMARY KEY, gebuehr numeric NOT NULL);
INSERT INTO sparte VALUES ('Rudern', 12), ('Schach', 3), ('Turnen', 7);
CREATE VIEW "Übersicht" AS SELECT "Nr", "Vorname" || ' ' || "Nachname" AS wer, ort, lfd FROM "Mitglied";
ANALYZE;

CREATE ROLE equipa_vermelha;
GRANT USAGE, CREATE ON SCHEMA "Verein" TO equipa_vermelha;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "Verein" TO equipa_vermelha;
GRANT CREATE ON DATABASE verein TO equipa_vermelha;
ALTER DATABASE verein SET search_path = "$user", "Verein", public;
CREATE ROLE guarda LOGIN PASSWORD 'guarda';
GRANT USAGE ON SCHEMA "Verein" TO guarda;
GRANT SELECT ON ALL TABLES IN SCHEMA "Verein" TO guarda;
