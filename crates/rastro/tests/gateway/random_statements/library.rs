//! Random data of a lending library, and what it would be without each reader or with other values of theirs.

use std::fmt::Write as _;

use rastro_sim::ScratchCluster;

use crate::support::Dice;
use crate::support::gateway::GatewayOptions;

pub const LIBRARY: &str = "kirjasto";
/// The readers; each costs four variants of the data.
pub const READERS: u64 = 16;

const SUBJECTS: &str = r#"
[[subject]]
name   = "lukija"
table  = "kirjasto.lukijat"
key    = "numero"
fields = { name = "nimi", email = "sahkoposti", phone = "puhelin" }
  [[subject.related]]
  table  = "kirjasto.lainat"
  key    = "lukija"
  fields = { ticket = "tunniste" }
"#;

const TABLES: &str = "
CREATE TABLE lukijat (numero bigint PRIMARY KEY, nimi text, sahkoposti text, puhelin text, kieli text, piiri text,
                      liittynyt date);
CREATE TABLE lainat (tunniste text, lukija bigint NOT NULL, teos text, lainattu date);
";

const VIEWS: &str = "
CREATE VIEW kortit AS SELECT numero AS id, nimi AS kuka, upper(sahkoposti) AS osoite, piiri FROM lukijat;
CREATE VIEW lainaajat AS SELECT l.tunniste, k.nimi, k.numero AS id, l.teos, l.lainattu
    FROM lainat l JOIN lukijat k ON k.numero = l.lukija;
CREATE MATERIALIZED VIEW soittolista AS SELECT numero AS id, puhelin, kieli FROM lukijat;
ANALYZE;
";

pub fn gateway_options() -> GatewayOptions {
    GatewayOptions {
        tables: SUBJECTS.to_owned(),
        database: LIBRARY.to_owned(),
        login: "vartija",
        ..GatewayOptions::default()
    }
}

pub fn key_of(reader: u64) -> u64 {
    7_000_000_000 + reader * 13
}

/// Creates the database with the real schema, the variants, and a login for each of `statements`.
pub fn build(cluster: &ScratchCluster, dice: &mut Dice, statements: usize) {
    cluster.run_sql("postgres", &format!("CREATE DATABASE {LIBRARY}")).unwrap();
    let rows = rows(dice);
    let mut script = format!("CREATE SCHEMA {LIBRARY}; SET search_path = {LIBRARY}; {TABLES} {rows} {VIEWS}");
    for reader in 1..=READERS {
        let key = key_of(reader);
        let without =
            format!("DELETE FROM lukijat WHERE numero = {key}; DELETE FROM lainat WHERE lukija = {key};");
        let empty = format!(
            "UPDATE lukijat SET nimi = NULL, sahkoposti = NULL, puhelin = NULL WHERE numero = {key};
             UPDATE lainat SET tunniste = NULL WHERE lukija = {key};"
        );
        let [low, high] = [("!", "00"), ("~zzzz zzzz", "+999 99 9999")]
            .map(|(word, number)| other_values(key, word, number));
        for (name, change) in variants(reader).into_iter().zip([without, empty, low, high]) {
            write!(
                script,
                "CREATE SCHEMA {name}; SET search_path = {name}; {TABLES}
                 INSERT INTO lukijat SELECT * FROM {LIBRARY}.lukijat; INSERT INTO lainat SELECT * FROM {LIBRARY}.lainat;
                 {change} {VIEWS}"
            )
            .unwrap();
        }
    }
    script += "CREATE ROLE vartija LOGIN PASSWORD 'vartija'; CREATE ROLE virkailijat;";
    write!(
        script,
        "GRANT USAGE ON SCHEMA {LIBRARY} TO vartija, virkailijat;
         GRANT SELECT ON ALL TABLES IN SCHEMA {LIBRARY} TO vartija, virkailijat;
         ALTER DATABASE {LIBRARY} SET search_path = {LIBRARY};
         DO $$ BEGIN FOR n IN 1..{statements} LOOP
             EXECUTE format('CREATE ROLE %I LOGIN IN ROLE virkailijat', 'virkailija_' || n);
         END LOOP; END $$;"
    )
    .unwrap();
    cluster.run_sql(LIBRARY, &script).unwrap();
}

/// Returns the schemas without a reader, with NULL for values of theirs, with low values of theirs, and with high ones.
pub fn variants(reader: u64) -> [String; 4] {
    ["ilman", "tyhja", "alku", "loppu"].map(|kind| format!("{kind}_{reader}"))
}

/// Replaces the protected values of one reader; NULL remains.
fn other_values(key: u64, word: &str, number: &str) -> String {
    format!(
        "UPDATE lukijat SET nimi = '{word}' || numero, sahkoposti = '{word}' || numero || '@{word}',
             puhelin = CASE WHEN puhelin IS NULL THEN NULL ELSE '{number}' END WHERE numero = {key};
         UPDATE lainat SET tunniste = '{word}' || tunniste WHERE lukija = {key};"
    )
}

fn rows(dice: &mut Dice) -> String {
    let mut script = String::new();
    for reader in 1..=READERS {
        let key = key_of(reader);
        let name = dice.pick(&["Aino", "Väinö", "Helmi", "Onni", "Lyyli"]);
        let family = dice.pick(&["Mäkelä", "Niemi", "Åström", "Koski"]);
        let phone = match dice.between(0, 5) {
            0 => "NULL".to_owned(),
            // Shared by whoever lives there.
            1 => "'+358 9 555 1234'".to_owned(),
            _ => format!("'+358 40 {:03} {:04}'", dice.between(100, 999), dice.between(1000, 9999)),
        };
        let host = dice.pick(&["Posti.example", "posti.example", "verkko.example"]);
        let (language, district) = (dice.pick(&["fi", "sv", "se"]), dice.pick(&["Kallio", "Töölö"]));
        let day = dice.between(1, 28);
        writeln!(
            script,
            "INSERT INTO lukijat VALUES ({key}, '{name} {family} {reader}', 'L{reader}.{}@{host}', {phone},
             '{language}', '{district}', '2024-03-{day}');",
            dice.between(10, 9999)
        )
        .unwrap();
        for loan in 0..dice.between(0, 3) {
            let (title, day) = (dice.pick(&["Kalevala", "Sinuhe", "Muumit"]), dice.between(1, 28));
            let number = 50_000_000 + reader * 104_729 + loan * 7;
            writeln!(script, "INSERT INTO lainat VALUES ('{number}', {key}, '{title}', '2025-06-{day}');")
                .unwrap();
        }
    }
    script
}
