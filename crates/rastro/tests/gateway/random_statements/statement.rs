//! Random SELECTs with one result only: whatever order the server reads its rows in.

use crate::support::Dice;

/// A generated statement.
pub struct Statement {
    pub sql: String,
    /// Whether a protected column is anywhere in it.
    pub touches_protected: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Key,
    Date,
}

#[derive(Clone)]
struct Column {
    sql: String,
    kind: Kind,
    protected: bool,
}

struct Query {
    sql: String,
    columns: Vec<Column>,
}

/// A relation: its name and its columns, `*` before the protected ones, `#` before keys, `@` before dates.
const RELATIONS: [(&str, &str); 5] = [
    ("lukijat", "#numero *nimi *sahkoposti *puhelin kieli piiri @liittynyt"),
    ("lainat", "*tunniste #lukija teos @lainattu"),
    ("kortit", "#id *kuka *osoite piiri"),
    ("lainaajat", "*tunniste *nimi #id teos @lainattu"),
    ("soittolista", "#id *puhelin kieli"),
];

const TEXT_FORMS: [&str; 20] = [
    "{}",
    "{}",
    "{}",
    "{}",
    "upper({})",
    "lower({})",
    "initcap({})",
    "reverse({})",
    "left({}, 4)",
    "right({}, 5)",
    "substr({}, 2, 3)",
    "md5({})",
    "length({})::text",
    "'<' || {} || '>'",
    "to_json({})::text",
    "ARRAY[{}]::text",
    "ROW({}, 1)::text",
    "convert_to({}, 'UTF8')::text",
    "translate({}, 'aeiou', '12345')",
    "coalesce({}, '-')",
];

const AGGREGATES: [&str; 9] = [
    "max({})",
    "min({})",
    "string_agg({0}, ',' ORDER BY {0})",
    "json_agg({0} ORDER BY {0})::text",
    "array_agg({0} ORDER BY {0})::text",
    "bool_or({} LIKE '%a%')::text",
    "sum(length({}))::text",
    "count({})::text",
    "count(*) FILTER (WHERE {} > 'L')::text",
];

const CONDITIONS: [&str; 7] = [
    "{} LIKE '%a%'",
    "{} < 'M'",
    "length({}) > 12",
    "{} ILIKE '%1%'",
    "{} IS NOT NULL",
    "right({}, 1) > '4'",
    "left({}, 1) IN ('A', 'L', 'V', '5')",
];

/// Makes up one statement.
pub fn make_up(dice: &mut Dice) -> Statement {
    let mut writer = Writer { dice, aliases: 0, touches_protected: false };
    let sql = writer.query(2).sql;
    Statement { sql, touches_protected: writer.touches_protected }
}

struct Writer<'a> {
    dice: &'a mut Dice,
    aliases: u32,
    touches_protected: bool,
}

impl Writer<'_> {
    fn chance(&mut self, percent: u64) -> bool {
        self.dice.between(1, 100) <= percent
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("t{}", self.aliases)
    }

    fn query(&mut self, depth: u32) -> Query {
        match self.dice.between(1, 100) {
            1..=15 if depth > 0 => self.set_operation(depth),
            16..=40 => self.aggregate(depth),
            41..=55 if depth > 0 => self.common_table(depth),
            _ => self.plain(depth),
        }
    }

    fn plain(&mut self, depth: u32) -> Query {
        let (from, columns) = self.sources(depth);
        let condition = self.condition(&columns);
        let mut shown = Vec::new();
        for _ in 0..self.dice.between(1, 4) {
            shown.push(self.expression(&columns));
        }
        let distinct = if self.chance(12) { "DISTINCT " } else { "" };
        let tail = self.tail(shown.len());
        finish(&format!("SELECT {distinct}"), shown, &format!(" FROM {from}{condition}{tail}"))
    }

    fn aggregate(&mut self, depth: u32) -> Query {
        let (from, columns) = self.sources(depth);
        let condition = self.condition(&columns);
        let group = self.pick(&columns, |column| column.kind == Kind::Text && !column.protected);
        let group = group.filter(|_| self.chance(60));
        let mut shown: Vec<Column> = group.iter().cloned().collect();
        for _ in 0..self.dice.between(1, 2) {
            let form = self.dice.pick(&AGGREGATES);
            let column = self.text(&columns);
            shown.push(match column {
                Some(column) if self.chance(80) => Column { sql: fill(form, &column.sql), ..column },
                _ => Column { sql: "count(*)::text".to_owned(), kind: Kind::Text, protected: false },
            });
        }
        let group = group.map(|column| format!(" GROUP BY {}", column.sql)).unwrap_or_default();
        let tail = self.tail(shown.len());
        finish("SELECT ", shown, &format!(" FROM {from}{condition}{group}{tail}"))
    }

    fn set_operation(&mut self, depth: u32) -> Query {
        let operation = self.dice.pick(&["UNION ALL", "UNION ALL", "UNION", "EXCEPT", "INTERSECT"]);
        let [left, right] = [self.one_text(depth - 1), self.one_text(depth - 1)];
        let protected = left.protected || right.protected;
        let sql = format!("({}) {operation} ({})", left.sql, right.sql);
        Query { sql, columns: vec![Column { sql: "c0".to_owned(), kind: Kind::Text, protected }] }
    }

    fn one_text(&mut self, depth: u32) -> Column {
        let (from, columns) = self.sources(depth);
        let condition = self.condition(&columns);
        let shown = self.expression(&columns);
        let sql = format!("SELECT {}::text AS c0 FROM {from}{condition}", shown.sql);
        Column { sql, kind: Kind::Text, protected: shown.protected }
    }

    fn common_table(&mut self, depth: u32) -> Query {
        let inner = self.query(depth - 1);
        let (name, alias) = (self.alias(), self.alias());
        let columns = qualify(&inner.columns, &alias);
        let condition = self.condition(&columns);
        let mut shown = vec![self.expression(&columns)];
        if self.chance(50) {
            shown.push(self.expression(&columns));
        }
        let how = self.dice.pick(&["", "", "MATERIALIZED ", "NOT MATERIALIZED "]);
        let head = format!("WITH {name} AS {how}({}) SELECT ", inner.sql);
        finish(&head, shown, &format!(" FROM {name} AS {alias}{condition}"))
    }

    /// Returns one or two sources of rows and all of their columns.
    fn sources(&mut self, depth: u32) -> (String, Vec<Column>) {
        let (mut from, mut columns) = self.source(depth);
        if self.chance(40) {
            let (other, others) = self.source(depth);
            let key =
                |columns: &[Column]| columns.iter().find(|c| c.kind == Kind::Key).map(|c| c.sql.clone());
            if let (Some(left), Some(right)) = (key(&columns), key(&others)) {
                let join = self.dice.pick(&["JOIN", "JOIN", "LEFT JOIN", "FULL JOIN"]);
                from = format!("{from} {join} {other} ON {left} = {right}");
                columns.extend(others);
            }
        }
        (from, columns)
    }

    fn source(&mut self, depth: u32) -> (String, Vec<Column>) {
        let alias = self.alias();
        if depth > 0 && self.chance(30) {
            let inner = self.query(depth - 1);
            let lateral = if self.chance(20) { "LATERAL " } else { "" };
            return (format!("{lateral}({}) AS {alias}", inner.sql), qualify(&inner.columns, &alias));
        }
        let (name, words) = self.dice.pick(&RELATIONS);
        let mut columns: Vec<Column> = words.split(' ').map(|word| read_column(&alias, word)).collect();
        if self.chance(25) {
            let form = self.dice.pick(&["{}::text", "to_jsonb({})::text", "row_to_json({})::text"]);
            let protected = columns.iter().any(|column| column.protected);
            columns.push(Column { sql: fill(form, &alias), kind: Kind::Text, protected });
        }
        (format!("{name} AS {alias}"), columns)
    }

    fn condition(&mut self, columns: &[Column]) -> String {
        if self.chance(45) {
            return String::new();
        }
        let key = self.pick(columns, |column| column.kind == Kind::Key);
        let condition = match (self.dice.between(1, 4), key, self.text(columns)) {
            (1, Some(key), _) => format!("{} % {} = 0", key.sql, self.dice.between(2, 4)),
            (2, Some(key), _) => {
                let alias = self.alias();
                let titles = self.dice.pick(&["", " AND {}.teos = 'Sinuhe'", " AND {}.tunniste LIKE '%7%'"]);
                self.touches_protected |= titles.contains("tunniste");
                let titles = fill(titles, &alias);
                format!("EXISTS (SELECT 1 FROM lainat {alias} WHERE {alias}.lukija = {}{titles})", key.sql)
            }
            (_, _, Some(column)) => fill(self.dice.pick(&CONDITIONS), &column.sql),
            _ => return String::new(),
        };
        format!(" WHERE {condition}")
    }

    fn expression(&mut self, columns: &[Column]) -> Column {
        let column = columns[self.dice.between(0, columns.len() as u64 - 1) as usize].clone();
        self.touches_protected |= column.protected;
        match column.kind {
            Kind::Text if self.chance(8) => {
                let form = self.dice.pick(&[
                    "CASE WHEN {} LIKE '%a%' THEN 'k' ELSE 'e' END",
                    "(rank() OVER (ORDER BY {}))::text",
                    "max({}) OVER ()",
                    "(SELECT max(x) FROM unnest(string_to_array({}, ' ')) x)",
                ]);
                Column { sql: fill(form, &column.sql), ..column }
            }
            Kind::Text => Column { sql: fill(self.dice.pick(&TEXT_FORMS), &column.sql), ..column },
            Kind::Key | Kind::Date => column,
        }
    }

    /// An order over all columns, with or without a limit; only so is a limit's answer the only one.
    fn tail(&mut self, columns: usize) -> String {
        if self.chance(70) {
            return String::new();
        }
        let numbers: Vec<String> = (1..=columns).map(|number| number.to_string()).collect();
        let limit =
            if self.chance(60) { format!(" LIMIT {}", self.dice.between(1, 6)) } else { String::new() };
        format!(" ORDER BY {}{limit}", numbers.join(", "))
    }

    fn text(&mut self, columns: &[Column]) -> Option<Column> {
        let column = self.pick(columns, |column| column.kind == Kind::Text);
        self.touches_protected |= column.as_ref().is_some_and(|column| column.protected);
        column
    }

    fn pick(&mut self, columns: &[Column], fits: impl Fn(&Column) -> bool) -> Option<Column> {
        let fitting: Vec<&Column> = columns.iter().filter(|column| fits(column)).collect();
        (!fitting.is_empty()).then(|| self.dice.pick(&fitting).clone())
    }
}

fn finish(head: &str, shown: Vec<Column>, rest: &str) -> Query {
    let numbered = shown.iter().enumerate();
    let list: Vec<String> = numbered.map(|(number, column)| format!("{} AS c{number}", column.sql)).collect();
    let columns = shown.into_iter().enumerate();
    let columns = columns.map(|(number, column)| Column { sql: format!("c{number}"), ..column }).collect();
    Query { sql: format!("{head}{}{rest}", list.join(", ")), columns }
}

fn qualify(columns: &[Column], alias: &str) -> Vec<Column> {
    columns.iter().map(|column| Column { sql: format!("{alias}.{}", column.sql), ..column.clone() }).collect()
}

fn read_column(alias: &str, word: &str) -> Column {
    let name = word.trim_start_matches(['*', '#', '@']);
    let kind = match word.as_bytes()[0] {
        b'#' => Kind::Key,
        b'@' => Kind::Date,
        _ => Kind::Text,
    };
    Column { sql: format!("{alias}.{name}"), kind, protected: word.starts_with('*') }
}

fn fill(form: &str, sql: &str) -> String {
    form.replace("{0}", sql).replace("{}", sql)
}
