//! COPY … TO STDOUT: which columns its rows have and how they are written.

use pg_query::NodeEnum;
use pg_query::protobuf::{CopyStmt, Node};

use super::level::Level;
use super::tree;
use crate::copy_rows::{CopyFormat, CopyKind, CopyRows};
use crate::row_description::ColumnDescription;

/// Returns how the rows of a COPY are written; `None` if an option is not known here.
pub(super) fn format(copy: &CopyStmt) -> Option<CopyFormat> {
    let options: Vec<_> = copy
        .options
        .iter()
        .map(|option| match &option.node {
            Some(NodeEnum::DefElem(option)) => Some((option.defname.as_str(), option.arg.as_deref())),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let kind = match options.iter().find(|(name, _)| *name == "format").map(|(_, value)| text(*value)) {
        None | Some(Some("text")) => CopyKind::Text,
        Some(Some("csv")) => CopyKind::Csv,
        Some(Some("binary")) => CopyKind::Binary,
        Some(_) => return None,
    };
    let mut format = CopyFormat::plain(kind);
    let mut escape = None;
    for (name, value) in options {
        match name {
            // Quotes tell by themselves where they are.
            "format" | "force_quote" | "freeze" => {}
            "delimiter" => format.delimiter = byte(value)?,
            "quote" => format.quote = byte(value)?,
            "escape" => escape = Some(byte(value)?),
            "null" => format.null = text(value)?.as_bytes().into(),
            "header" => format.header = !value.is_some_and(|value| tree::is_off(Some(value))),
            _ => return None,
        }
    }
    format.escape = escape.unwrap_or(format.quote);
    Some(format)
}

/// Returns what the rows of a resolved query are; `None` if its columns are not known.
pub(super) fn rows(level: &Level, format: CopyFormat) -> Option<CopyRows> {
    if level.has_unknown_outputs() {
        return None;
    }
    let described = |output: &super::level::Output| {
        output.origin.unwrap_or(ColumnDescription { table_oid: 0, attnum: 0, type_oid: 0, format: 0 })
    };
    Some(CopyRows { columns: level.outputs.iter().map(described).collect(), format })
}

fn text(value: Option<&Node>) -> Option<&str> {
    match value?.node.as_ref()? {
        NodeEnum::String(value) => Some(&value.sval),
        _ => None,
    }
}

fn byte(value: Option<&Node>) -> Option<u8> {
    match text(value)?.as_bytes() {
        [byte] => Some(*byte),
        _ => None,
    }
}
