//! Words that make a text worth parsing.

use std::collections::HashSet;

/// Functions of PostgreSQL and its extensions that read relations or files which their arguments name.
pub(super) const READS_BY_NAME: [&str; 53] = [
    "query_to_xml",
    "query_to_xmlschema",
    "query_to_xml_and_xmlschema",
    "table_to_xml",
    "table_to_xml_and_xmlschema",
    "schema_to_xml",
    "schema_to_xml_and_xmlschema",
    "database_to_xml",
    "database_to_xml_and_xmlschema",
    "cursor_to_xml",
    "ts_stat",
    "ts_rewrite",
    "pg_read_file",
    "pg_read_binary_file",
    "pg_read_server_file",
    "pg_file_read",
    "lo_get",
    "loread",
    "lo_export",
    "get_raw_page",
    "heap_page_items",
    "heap_page_item_attrs",
    "tuple_data_split",
    "bt_page_items",
    "gist_page_items",
    "brin_page_items",
    "hash_page_items",
    "dblink",
    "dblink_exec",
    "dblink_open",
    "dblink_fetch",
    "dblink_send_query",
    "dblink_get_result",
    "dblink_build_sql_insert",
    "dblink_build_sql_update",
    "crosstab",
    "crosstab2",
    "crosstab3",
    "crosstab4",
    "crosstabn",
    "crosstab_hash",
    "connectby",
    "xpath_table",
    "pg_logical_slot_get_changes",
    "pg_logical_slot_peek_changes",
    "pg_logical_slot_get_binary_changes",
    "pg_logical_slot_peek_binary_changes",
    "pg_walinspect",
    "pg_get_wal_record_info",
    "pg_get_wal_records_info",
    "pg_get_wal_fpi_info",
    "gin_leafpage_items",
    "pg_get_wal_block_info",
];

/// Relations of PostgreSQL itself that hold values of others.
pub(super) const HOLDS_VALUES: [&str; 6] = [
    "pg_stats",
    "pg_statistic",
    "pg_stats_ext",
    "pg_stats_ext_exprs",
    "pg_statistic_ext_data",
    "pg_largeobject",
];

/// Volatile functions that can be called once more without harm.
pub(super) const HARMLESS: [&str; 8] = [
    "random",
    "clock_timestamp",
    "timeofday",
    "gen_random_uuid",
    "random_normal",
    "pg_sleep_zero",
    "currval",
    "lastval",
];

// Statements whose text does not show what they read.
const COMMANDS: [&str; 3] = ["do", "call", "execute"];

/// A set of names to look for in a text.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    plain: HashSet<String>,
    // Names that are not one word of a text.
    odd: Vec<String>,
    commands: bool,
}

impl Words {
    /// Takes names of relations and functions; with `commands` also what runs code unseen.
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>, commands: bool) -> Words {
        let mut words = Words { commands, ..Words::default() };
        if commands {
            words.plain.extend(
                READS_BY_NAME.iter().chain(&COMMANDS).chain(&HOLDS_VALUES).map(|&word| word.to_owned()),
            );
        }
        for name in names {
            let name = name.to_lowercase();
            if name.bytes().all(is_word) {
                words.plain.insert(name);
            } else {
                words.odd.push(name.replace('"', "\"\""));
            }
        }
        words
    }

    /// Returns whether one of them is in the text, by whatever way of writing.
    pub(super) fn are_in(&self, sql: &str) -> bool {
        if self.commands && has_escape(sql) {
            return true;
        }
        let mut lower = String::new();
        split(sql).any(|word| {
            if word.bytes().any(|byte| byte.is_ascii_uppercase()) {
                lower.clear();
                lower.push_str(word);
                lower.make_ascii_lowercase();
                self.plain.contains(lower.as_str())
            } else {
                self.plain.contains(word)
            }
        }) || (!self.odd.is_empty() && {
            let sql = sql.to_lowercase();
            self.odd.iter().any(|name| sql.contains(name.as_str()))
        })
    }
}

/// Returns whether `word` (lower case) stands in the text.
pub(super) fn has_word(sql: &str, word: &str) -> bool {
    split(sql).any(|found| found.eq_ignore_ascii_case(word))
}

fn split(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(|c: char| !(c.is_ascii() && u8::try_from(c).is_ok_and(is_word)))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

// U&"…" spells names in numbers.
fn has_escape(sql: &str) -> bool {
    sql.as_bytes().windows(3).any(|three| matches!(three, [b'u' | b'U', b'&', b'"']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_by_whatever_way_of_writing() {
        let words = Words::new(["customers", "My Table"].into_iter(), true);
        for sql in [
            "select * from Customers",
            "table public.\"customers\"",
            "select 1 from \"My Table\"",
            "select * from U&\"c\\0075stomers\"",
            "DO $$ $$",
            "select query_to_xml('x', true, true, '')",
        ] {
            assert!(words.are_in(sql), "{sql}");
        }
        for sql in ["select 1", "select * from customers_old", "select * from my_table"] {
            assert!(!words.are_in(sql), "{sql}");
        }
    }
}
