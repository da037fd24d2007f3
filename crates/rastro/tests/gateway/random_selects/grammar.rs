//! Random SELECTs over the tables of the test; every one is valid.

use crate::support::Dice;

/// A thing to select from: its text, and expressions of protected and of other columns in it.
struct Source {
    from: String,
    protected: Vec<String>,
    plain: Vec<String>,
    number: String,
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn choose<'a>(dice: &mut Dice, list: &'a [String]) -> &'a str {
    &list[dice.between(0, list.len() as u64 - 1) as usize]
}

pub fn random_select(dice: &mut Dice) -> String {
    let select = select_from(dice, 2);
    match dice.between(0, 9) {
        0 => format!("{} UNION ALL {}", text_select(dice), text_select(dice)),
        1 => format!("SELECT json_agg(x) FROM ({select}) x"),
        2 => format!("WITH w AS ({select}) SELECT * FROM w"),
        _ => select,
    }
}

/// One text column, for set operations.
fn text_select(dice: &mut Dice) -> String {
    let source = source(dice, 1);
    let column = protected_expression(dice, &source);
    format!("SELECT ({column})::text FROM {}{}", source.from, condition(dice, &source))
}

fn select_from(dice: &mut Dice, depth: u64) -> String {
    let source = source(dice, depth);
    let condition = condition(dice, &source);
    let from = &source.from;
    if dice.between(0, 3) == 0 {
        let group = choose(dice, &source.plain).to_owned();
        let aggregate = aggregate(dice, &source);
        return format!("SELECT {group} AS g, {aggregate} AS a FROM {from}{condition} GROUP BY {group}");
    }
    if dice.between(0, 5) == 0 {
        return format!("SELECT {} AS a FROM {from}{condition}", aggregate(dice, &source));
    }
    let columns = (0..dice.between(1, 3)).map(|number| {
        let column = match dice.between(0, 3) {
            0 => choose(dice, &source.plain).to_owned(),
            _ => protected_expression(dice, &source),
        };
        format!("{column} AS c{number}")
    });
    let columns = columns.collect::<Vec<_>>().join(", ");
    format!("SELECT {columns} FROM {from}{condition}")
}

fn source(dice: &mut Dice, depth: u64) -> Source {
    let people = || (texts(&["p.nome", "p.correio", "p.telefone"]), texts(&["p.grupo", "p.n"]));
    let (protected, plain) = people();
    let number = "p.n".to_owned();
    match dice.between(0, if depth == 0 { 4 } else { 6 }) {
        0 => Source { from: "pessoas p".to_owned(), protected, plain, number },
        1 | 2 => {
            let join = dice.pick(&["JOIN", "LEFT JOIN"]);
            let mut protected = protected;
            protected.push("o.numero".to_owned());
            let plain = texts(&["p.grupo", "o.estado", "o.n"]);
            Source {
                from: format!("pessoas p {join} pedidos o ON o.dono = p.chave"),
                protected,
                plain,
                number,
            }
        }
        3 => Source {
            from: "vista v".to_owned(),
            protected: texts(&["v.quem", "v.c"]),
            plain: texts(&["v.grupo", "v.n"]),
            number: "v.n".to_owned(),
        },
        4 => Source {
            from: "pedidos o".to_owned(),
            protected: texts(&["o.numero"]),
            plain: texts(&["o.estado", "o.n"]),
            number: "o.n".to_owned(),
        },
        kind => {
            let inner = source(dice, depth - 1);
            let (a, b) = (protected_expression(dice, &inner), protected_expression(dice, &inner));
            let (n, where_) = (&inner.number, condition(dice, &inner));
            let body = format!("SELECT {a} AS a, {b} AS b, {n} AS n FROM {}{where_}", inner.from);
            let from = if kind == 5 {
                format!("({body}) s")
            } else {
                format!("pessoas q JOIN LATERAL ({body}) s ON s.n = q.n")
            };
            Source {
                from,
                protected: texts(&["s.a", "s.b"]),
                plain: texts(&["s.n"]),
                number: "s.n".to_owned(),
            }
        }
    }
}

fn protected_expression(dice: &mut Dice, source: &Source) -> String {
    let column = choose(dice, &source.protected).to_owned();
    let other = choose(dice, &source.protected).to_owned();
    match dice.between(0, 12) {
        0 => format!("upper({column}::text)"),
        1 => format!("reverse({column}::text)"),
        2 => format!("({column} || '/' || {other})"),
        3 => format!("md5({column}::text)"),
        4 => format!("left({column}::text, 5)"),
        5 => format!("coalesce({column}::text, {other}::text)"),
        6 => format!("CASE WHEN {} > 5 THEN {column}::text ELSE 'x' END", source.number),
        7 => format!("length({column}::text)::text"),
        8 => format!("({column}::text LIKE '%1%')::text"),
        _ => format!("{column}::text"),
    }
}

fn aggregate(dice: &mut Dice, source: &Source) -> String {
    let column = protected_expression(dice, source);
    let number = &source.number;
    match dice.between(0, 6) {
        0 => "count(*)".to_owned(),
        1 => format!("max({column})"),
        2 => format!("array_agg({column} ORDER BY {number}, {column})"),
        3 => format!("count(DISTINCT {column})"),
        4 => format!("bool_or({column} > 'm')"),
        5 => format!("max({number})"),
        _ => format!("string_agg({column}, ',' ORDER BY {number}, {column})"),
    }
}

fn condition(dice: &mut Dice, source: &Source) -> String {
    let number = &source.number;
    let column = choose(dice, &source.protected);
    match dice.between(0, 6) {
        0 => String::new(),
        1 => format!(" WHERE {column}::text LIKE '%a%'"),
        2 => format!(" WHERE {number} IN (SELECT n FROM pedidos WHERE estado = 'aberto')"),
        3 => format!(" WHERE {number} = {}", dice.between(1, 10)),
        4 => format!(" WHERE EXISTS (SELECT 1 FROM vista e WHERE e.n = {number} AND e.grupo = 'sul')"),
        _ => {
            let from = dice.between(1, 9);
            format!(" WHERE {number} BETWEEN {from} AND {}", from + dice.between(0, 4))
        }
    }
}
