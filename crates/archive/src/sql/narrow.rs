//! Conditions of a statement that the ledger's indexes can answer.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use rastro_model::{Principal, Timestamp};

use crate::archive::Query;
use crate::row::Key;

/// Returns a query that lets through at least what all of `filters` let through.
pub(super) fn narrow(filters: &[Expr], has_subjects: bool) -> Query {
    let mut query = Query::default();
    for filter in filters {
        add(&mut query, filter, has_subjects);
    }
    query
}

fn add(query: &mut Query, filter: &Expr, has_subjects: bool) {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            add(query, left, has_subjects);
            add(query, right, has_subjects);
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (column, value, op) = match (&**left, &**right) {
                (Expr::Column(column), Expr::Literal(value, _)) => (column, value, *op),
                (Expr::Literal(value, _), Expr::Column(column)) => match op.swap() {
                    Some(op) => (column, value, op),
                    None => return,
                },
                _ => return,
            };
            match (column.name.as_str(), op, text_of(value)) {
                ("principal", Operator::Eq, Some(text)) if query.principal.is_none() => {
                    query.principal = Some(Principal::new(text));
                }
                ("subject", Operator::Eq, Some(text)) if has_subjects && query.subjects.is_none() => {
                    query.subjects = Some(Key::of_text(text));
                }
                ("time", op, None) => add_time(query, op, value),
                _ => {}
            }
        }
        Expr::InList(list) if !list.negated && has_subjects && query.subjects.is_none() => {
            let Expr::Column(column) = &*list.expr else { return };
            let texts: Option<Vec<&str>> = list
                .list
                .iter()
                .map(|value| if let Expr::Literal(value, _) = value { text_of(value) } else { None })
                .collect();
            if let Some(texts) = texts.filter(|_| column.name == "subject") {
                query.subjects = Some(texts.into_iter().flat_map(Key::of_text).collect());
            }
        }
        _ => {}
    }
}

fn text_of(value: &ScalarValue) -> Option<&str> {
    value.try_as_str().flatten()
}

fn add_time(query: &mut Query, op: Operator, value: &ScalarValue) {
    let micros = match value {
        ScalarValue::TimestampMicrosecond(Some(micros), _) => *micros,
        ScalarValue::TimestampMillisecond(Some(millis), _) => millis.saturating_mul(1000),
        ScalarValue::TimestampNanosecond(Some(nanos), _) => nanos.div_euclid(1000),
        ScalarValue::TimestampSecond(Some(seconds), _) => seconds.saturating_mul(1_000_000),
        _ => return,
    };
    // Wider by 1 µs than what the condition says: DataFusion cuts exactly.
    let (since, until) = (Timestamp(micros), Timestamp(micros.saturating_add(1)));
    match op {
        Operator::Gt | Operator::GtEq => query.since = query.since.max(Some(since)),
        Operator::Lt | Operator::LtEq => {
            query.until = Some(query.until.map_or(until, |known| known.min(until)));
        }
        Operator::Eq => {
            query.since = query.since.max(Some(since));
            query.until = Some(query.until.map_or(until, |known| known.min(until)));
        }
        _ => {}
    }
}
