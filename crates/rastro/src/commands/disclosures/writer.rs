use std::io::Write;

use super::Format;
use super::record::Record;

const CSV_HEADER: [&str; 9] =
    ["time", "principal", "login", "statement", "subject", "fields", "certainty", "reason", "rows"];

/// Writes records in one of the formats, as a stream.
pub(super) struct Writer<W: Write> {
    form: Form<W>,
}

enum Form<W: Write> {
    Table(W, u64),
    Json(W, u64),
    Ndjson(W),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Writer<W> {
    pub(super) fn new(format: Format, output: W) -> anyhow::Result<Writer<W>> {
        let form = match format {
            Format::Table => Form::Table(output, 0),
            Format::Json => Form::Json(output, 0),
            Format::Ndjson => Form::Ndjson(output),
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(output);
                writer.write_record(CSV_HEADER)?;
                Form::Csv(Box::new(writer))
            }
        };
        Ok(Writer { form })
    }

    pub(super) fn write(&mut self, record: &Record<'_>) -> anyhow::Result<()> {
        match &mut self.form {
            Form::Table(output, count) => {
                if *count == 0 {
                    write_row(
                        output,
                        ["TIME", "PRINCIPAL", "LOGIN", "SUBJECT", "FIELDS", "HOW", "REASON"],
                        "STATEMENT",
                    )?;
                }
                *count += 1;
                let subject = match (&record.subject, record.rows) {
                    (Some(subject), _) => printable(subject),
                    (None, rows) => format!("({} rows)", rows.unwrap_or_default()),
                };
                let (principal, login) = (printable(record.principal), printable(record.login));
                let (fields, reason) = (record.fields.join(","), printable(record.reason.unwrap_or("-")));
                let cells = [record.time, &principal, &login, &subject, &fields, record.certainty, &reason];
                write_row(output, cells, &shortened(record.statement))?;
            }
            Form::Json(output, count) => {
                output.write_all(if *count == 0 { b"[\n" } else { b",\n" })?;
                *count += 1;
                serde_json::to_writer(output, record)?;
            }
            Form::Ndjson(output) => {
                serde_json::to_writer(&mut *output, record)?;
                output.write_all(b"\n")?;
            }
            Form::Csv(writer) => {
                let rows = record.rows.map(|rows| rows.to_string()).unwrap_or_default();
                writer.write_record([
                    record.time,
                    record.principal,
                    record.login,
                    record.statement,
                    record.subject.as_deref().unwrap_or_default(),
                    &record.fields.join(";"),
                    record.certainty,
                    record.reason.unwrap_or_default(),
                    &rows,
                ])?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self.form {
            Form::Table(mut output, count) => {
                if count == 0 {
                    writeln!(output, "nothing was shown")?;
                }
                output.flush()?;
            }
            Form::Json(mut output, count) => {
                output.write_all(if count == 0 { b"[]\n" } else { b"\n]\n" })?;
                output.flush()?;
            }
            Form::Ndjson(mut output) => output.flush()?,
            Form::Csv(mut writer) => writer.flush()?,
        }
        Ok(())
    }
}

fn write_row(output: &mut impl Write, cells: [&str; 7], last: &str) -> std::io::Result<()> {
    let [time, principal, login, subject, fields, how, reason] = cells;
    writeln!(
        output,
        "{time:<27}  {principal:<16}  {login:<12}  {subject:<12}  {fields:<18}  {how:<8}  {reason:<10}  {last}"
    )
}

/// Names come from clients: control characters must not reach a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn shortened(statement: &str) -> String {
    const CHARS_MAX: usize = 80;
    let words = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut short: String = printable(&words).chars().take(CHARS_MAX).collect();
    if words.chars().count() > CHARS_MAX {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, records: &[Record<'_>]) -> String {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(format, &mut bytes).unwrap();
        records.iter().for_each(|record| writer.write(record).unwrap());
        writer.finish().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn records() -> Vec<Record<'static>> {
        let shown = Record {
            time: "2026-05-12T08:00:00.000000Z",
            principal: "ana",
            login: "helpdesk",
            statement: "SELECT  *\nFROM customers WHERE id = $1",
            subject: Some("4711".into()),
            fields: vec!["email", "name"],
            certainty: "exact",
            reason: Some("T-1, \"x\""),
            rows: None,
            imported: false,
        };
        let hidden =
            Record { subject: None, reason: None, rows: Some(7), certainty: "possible", ..shown.clone() };
        vec![shown, hidden]
    }

    #[test]
    fn ndjson_has_the_shape_of_the_contract() {
        let text = written(Format::Ndjson, &records());
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            lines[0],
            serde_json::json!({"time": "2026-05-12T08:00:00.000000Z", "principal": "ana", "login": "helpdesk",
                "statement": "SELECT  *\nFROM customers WHERE id = $1", "subject": "4711",
                "fields": ["email", "name"], "certainty": "exact", "reason": "T-1, \"x\""})
        );
        assert_eq!((&lines[1]["subject"], &lines[1]["rows"]), (&serde_json::Value::Null, &7.into()));
    }

    #[test]
    fn json_is_one_array_also_when_empty() {
        for count in 0..=2 {
            let text = written(Format::Json, &records()[..count]);
            assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&text).unwrap().len(), count);
        }
    }

    #[test]
    fn csv_keeps_commas_quotes_and_line_breaks_apart() {
        let text = written(Format::Csv, &records());
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap(), &csv::StringRecord::from(CSV_HEADER.to_vec()));
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!((&rows[0][5], &rows[0][7], &rows[1][8]), ("email;name", "T-1, \"x\"", "7"));
        assert!(rows[0][3].contains('\n'));
    }

    #[test]
    fn table_has_one_line_per_record_and_no_control_characters() {
        let mut all = records();
        all[0].principal = "a\u{1b}[31mb";
        let text = written(Format::Table, &all);
        assert_eq!(text.lines().count(), 3);
        assert!(!text.contains('\u{1b}') && text.contains("(7 rows)"));
        assert_eq!(written(Format::Table, &[]), "nothing was shown\n");
    }
}
