//! The answer by brute force: who was shown.

use std::collections::BTreeSet;

use tokio_postgres::{Client, SimpleQueryMessage};

use super::library::{LIBRARY, READERS, key_of, variants};

type Answer = Vec<Vec<Option<String>>>;

/// Returns the keys of the readers without whom, and without whose values, the answer is another one, and also
/// with other values: a count of rows depends on nobody's values, and a condition that a reader does not meet
/// shows nothing of theirs.
pub async fn shown(client: &Client, sql: &str) -> BTreeSet<String> {
    let schemas = std::iter::once(LIBRARY.to_owned()).chain((1..=READERS).flat_map(variants));
    let script: String = schemas.map(|schema| format!("SET search_path = {schema}; {sql};\n")).collect();
    let found = client.simple_query(&script).await;
    let answers = split(found.unwrap_or_else(|error| panic!("{:?} of {sql}", error.as_db_error())));
    assert_eq!(answers.len() as u64, 1 + 4 * READERS);
    let (real, others) = answers.split_first().unwrap();
    let readers = (1..=READERS).zip(others.chunks_exact(4));
    readers
        .filter(|(_, other)| {
            let [without, empty, low, high] = [0, 1, 2, 3].map(|variant| other[variant] != *real);
            without && empty && (low || high)
        })
        .map(|(reader, _)| key_of(reader).to_string())
        .collect()
}

/// Every second command is a SET; the rows of the others are sorted.
fn split(messages: Vec<SimpleQueryMessage>) -> Vec<Answer> {
    let (mut answers, mut rows, mut commands) = (Vec::new(), Answer::new(), 0);
    for message in messages {
        match message {
            SimpleQueryMessage::Row(row) => {
                rows.push((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect());
            }
            SimpleQueryMessage::CommandComplete(_) => {
                commands += 1;
                if commands % 2 == 0 {
                    rows.sort();
                    answers.push(std::mem::take(&mut rows));
                }
            }
            _ => {}
        }
    }
    answers
}
