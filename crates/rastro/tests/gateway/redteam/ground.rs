//! What is attacked: schemas that share no name and no shape with the demo's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use rastro_sim::ScratchCluster;

use super::technique::{self, Technique};
use crate::support::gateway::GatewayOptions;
use crate::support::transcript::root;

/// A database to attack, in a cluster of its own.
pub struct Ground {
    pub database: &'static str,
    schema: &'static str,
    subjects: &'static str,
    /// Below `tests/redteam`; its own schema is in the folder `schema`.
    directory: &'static str,
}

pub const GROUNDS: [Ground; 2] = [
    Ground { database: "clinica", schema: "atendimento", subjects: CLINIC, directory: "." },
    Ground { database: "verein", schema: "\"Verein\"", subjects: CLUB, directory: "other" },
];

const CLINIC: &str = r#"
[[subject]]
name    = "paciente"
table   = "atendimento.pacientes"
key     = "codigo"
fields  = { name = "nome", email = "correio", phone = "telemovel" }
cohorts = ["lingua", "concelho"]
  [[subject.related]]
  table  = "atendimento.consultas"
  key    = "codigo_paciente"
  fields = { ticket = "numero" }

[[subject]]
name    = "funcionario"
table   = "atendimento.funcionarios"
key     = "matricula"
fields  = { name = "nome", email = "correio", phone = "ramal" }
"#;

const CLUB: &str = r#"
[[subject]]
name    = "mitglied"
table   = "Verein.Mitglied"
key     = "Nr"
fields  = { first = "Vorname", last = "Nachname", email = "E-Mail", phone = "mobil" }
cohorts = ["ort"]
  [[subject.related]]
  table  = "Verein.beleg"
  key    = "mitglied"
  fields = { receipt = "aktenzeichen" }
  [[subject.related]]
  table  = "Verein.konto"
  key    = "mitglied"
  fields = { iban = "iban" }

[[subject]]
name    = "trainer"
table   = "Verein.user"
key     = "id"
fields  = { name = "name", email = "mail", phone = "telefon" }
"#;

/// Where the red team's files are.
pub fn place() -> PathBuf {
    root().join("tests/redteam")
}

impl Ground {
    pub fn techniques(&self) -> Vec<Technique> {
        technique::read_all(&place().join(self.directory))
    }

    /// Creates the database, and a login with its own schema for each technique.
    pub fn build(&self, cluster: &ScratchCluster, techniques: &[Technique]) {
        let Ground { database, directory, .. } = self;
        cluster.run_sql("postgres", &format!("CREATE DATABASE {database}")).unwrap();
        let script = place().join(directory).join("schema").join(database).with_extension("sql");
        cluster.run_sql(database, &std::fs::read_to_string(script).unwrap()).unwrap();
        let mut roles = String::new();
        for technique in techniques {
            let login = technique.login();
            let rights = if technique.is_superuser { "SUPERUSER" } else { "NOSUPERUSER" };
            writeln!(
                roles,
                "CREATE ROLE {login} LOGIN {rights} IN ROLE equipa_vermelha;
                 CREATE SCHEMA {login} AUTHORIZATION {login};"
            )
            .unwrap();
        }
        cluster.run_sql(database, &roles).unwrap();
    }

    pub fn gateway_options(&self) -> GatewayOptions {
        GatewayOptions {
            tables: self.subjects.to_owned(),
            database: self.database.to_owned(),
            login: "guarda",
            ..GatewayOptions::default()
        }
    }

    /// Returns whom each technique shows, by its name, computed from the tables before anything runs.
    pub fn truth(
        &self,
        cluster: &ScratchCluster,
        techniques: &[Technique],
    ) -> BTreeMap<String, BTreeSet<String>> {
        let mut script = format!("SET search_path = {};\n", self.schema);
        for technique in techniques.iter().filter(|technique| !technique.truth.is_empty()) {
            let (name, query) = (&technique.name, &technique.truth);
            writeln!(script, "SELECT '{name}', subject FROM ({query}) AS shown (subject);").unwrap();
        }
        let output = cluster.run_sql(self.database, &script).unwrap();
        let mut truth: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for line in output.lines() {
            let (name, subject) = line.split_once('|').unwrap();
            truth.entry(name.to_owned()).or_default().insert(subject.to_owned());
        }
        for technique in techniques.iter().filter(|technique| !technique.truth.is_empty()) {
            assert!(truth.contains_key(&technique.name), "`{}` shows nobody", technique.name);
        }
        truth
    }
}
