//! What is attacked: a schema that shares no name and no shape with the demo's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use rastro_sim::ScratchCluster;

use super::technique::Technique;
use crate::support::gateway::GatewayOptions;
use crate::support::transcript::root;

pub const CLINIC: &str = "clinica";

const SUBJECTS: &str = r#"
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

/// Where the techniques are.
pub fn place() -> PathBuf {
    root().join("tests/redteam")
}

/// Creates the database, and a login with its own schema for each technique.
pub fn build(cluster: &ScratchCluster, techniques: &[Technique]) {
    cluster.run_sql("postgres", &format!("CREATE DATABASE {CLINIC}")).unwrap();
    let schema = std::fs::read_to_string(place().join("schema/clinica.sql")).unwrap();
    cluster.run_sql(CLINIC, &schema).unwrap();
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
    cluster.run_sql(CLINIC, &roles).unwrap();
}

pub fn gateway_options() -> GatewayOptions {
    GatewayOptions {
        tables: SUBJECTS.to_owned(),
        database: CLINIC.to_owned(),
        login: "guarda",
        ..GatewayOptions::default()
    }
}

/// Returns whom each technique shows, by its name, computed from the tables before anything runs.
pub fn truth(cluster: &ScratchCluster, techniques: &[Technique]) -> BTreeMap<String, BTreeSet<String>> {
    let mut script = String::from("SET search_path = atendimento;\n");
    for technique in techniques.iter().filter(|technique| !technique.truth.is_empty()) {
        let (name, query) = (&technique.name, &technique.truth);
        writeln!(script, "SELECT '{name}', subject FROM ({query}) AS shown (subject);").unwrap();
    }
    let output = cluster.run_sql(CLINIC, &script).unwrap();
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
