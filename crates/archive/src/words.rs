//! Kinds and fields as text that every engine reads, without losing what the ledger's numbers say.

use rastro_ledger::Schema;
use rastro_model::{Certainty, FieldSet, KindId};

/// Returns the names of fields, joined by `;`; `#` and a number for each if the schema's names would not lead
/// back to the same fields.
pub(crate) fn fields_text(fields: FieldSet, schema: &Schema) -> String {
    let names: Option<Vec<&str>> =
        fields.iter().map(|index| schema.fields.get(index).map(String::as_str)).collect();
    match names.map(|names| names.join(";")) {
        Some(text) if fields_of(&text, schema) == Some(fields) => text,
        _ => fields.iter().map(|index| format!("#{index}")).collect::<Vec<_>>().join(";"),
    }
}

/// Reads what [`fields_text`] wrote.
pub(crate) fn fields_of(text: &str, schema: &Schema) -> Option<FieldSet> {
    let mut fields = FieldSet::EMPTY;
    for name in text.split(';').filter(|_| !text.is_empty()) {
        let field = match name.strip_prefix('#') {
            Some(number) => FieldSet::single(number.parse().ok()?),
            None => FieldSet::single(schema.fields.iter().position(|known| known == name)?),
        };
        fields = fields.union(field);
    }
    Some(fields)
}

/// Returns the name of a kind; `#` and its number if the schema's name would not lead back to it.
pub(crate) fn kind_text(kind: KindId, schema: &Schema) -> String {
    match schema.kinds.get(usize::from(kind.0)) {
        Some(name) if kind_of(name, schema) == Some(kind) => name.clone(),
        _ => format!("#{}", kind.0),
    }
}

/// Reads what [`kind_text`] wrote.
pub(crate) fn kind_of(text: &str, schema: &Schema) -> Option<KindId> {
    match text.strip_prefix('#') {
        Some(number) => number.parse().ok().map(KindId),
        None => {
            let at = schema.kinds.iter().position(|known| known == text)?;
            u8::try_from(at).ok().map(KindId)
        }
    }
}

const CERTAINTIES: [Certainty; 3] = [Certainty::Exact, Certainty::Derived, Certainty::Possible];

/// Reads the word of a certainty.
pub(crate) fn certainty_of(text: &str) -> Option<Certainty> {
    CERTAINTIES.into_iter().find(|certainty| certainty.as_str() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(kinds: &[&str], fields: &[&str]) -> Schema {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Schema { kinds: owned(kinds), fields: owned(fields) }
    }

    #[test]
    fn fields_are_named_where_names_lead_back_and_numbered_where_not() {
        let plain = schema(&["customer"], &["name", "email", "phone"]);
        let odd = schema(&["#1", "twice", "twice"], &["a;b", "twice", "twice", "#0", ""]);
        for bits in 0..8u32 {
            let fields = FieldSet(bits);
            assert_eq!(fields_of(&fields_text(fields, &plain), &plain), Some(fields));
        }
        assert_eq!(fields_text(FieldSet(5), &plain), "name;phone");
        for bits in 0..256u32 {
            let fields = FieldSet(bits);
            assert_eq!(fields_of(&fields_text(fields, &odd), &odd), Some(fields), "{bits}");
        }
        for kind in 0..5 {
            assert_eq!(kind_of(&kind_text(KindId(kind), &odd), &odd), Some(KindId(kind)), "{kind}");
        }
        assert_eq!(kind_text(KindId(0), &plain), "customer");
    }
}
