//! Access logs in all the ways they are written, and mis-written.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is test code; the exception for tests covers only functions marked #[test]"
)]

use std::io::Write;

use rastro_intake::{
    ACCESS_COLUMNS, AccessFormat, AccessReader, AccessTally, BadLines, ColumnMap, IntakeError, Names,
    NotedSubjects, Reasons, TableFormat, TimeFormat,
};

struct Read {
    tally: AccessTally,
    /// `time principal subject fields explained`, sorted.
    rows: Vec<String>,
    noted: Vec<String>,
}

fn read_bytes(bytes: &[u8], format: &AccessFormat, reasons: Option<&str>) -> Result<Read, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.csv");
    std::fs::write(&path, bytes).unwrap();
    let names = Names::default();
    let mut noted_subjects = NotedSubjects::default();
    noted_subjects.insert(&names.subjects, "watched");
    let plain = |error: IntakeError| error.to_string().replace(&format!("{}/", folder.path().display()), "");
    let reasons = match reasons {
        None => None,
        Some(text) => {
            let path = folder.path().join("reasons.csv");
            std::fs::write(&path, text).unwrap();
            let read = Reasons::read(&path, &TableFormat::default(), &TimeFormat::default(), &names, 2);
            Some(read.map_err(plain)?.0)
        }
    };
    let reader =
        AccessReader { format, names: &names, noted: &noted_subjects, reasons: reasons.as_ref(), threads: 3 };
    let (mut accesses, mut noted) = (Vec::new(), Vec::new());
    let tally = reader
        .read(&path, |batch, _| {
            accesses.extend(batch.accesses);
            noted.extend(batch.noted.iter().map(|noted| format!("{:?} {:?}", noted.reason, noted.statement)));
        })
        .map_err(plain)?;
    let mut rows: Vec<String> = accesses
        .iter()
        .map(|a| {
            let (principal, subject) = (names.principals.text(a.principal), names.subjects.text(a.subject));
            let explained = a.explained.map_or("?", |explained| if explained { "yes" } else { "no" });
            format!("{} {principal} {subject} {} {explained}", a.time, a.fields.0)
        })
        .collect();
    rows.sort();
    Ok(Read { tally, rows, noted })
}

fn read(text: &str) -> Result<Read, String> {
    read_bytes(text.as_bytes(), &AccessFormat::default(), None)
}

fn skipping() -> AccessFormat {
    let table = TableFormat { bad_lines: BadLines::Skip, ..TableFormat::default() };
    AccessFormat { table, ..AccessFormat::default() }
}

const ROW: &str = "2026-05-12T08:00:00.000000Z ana 17 3 ?";

#[test]
fn log_reads_the_same_in_every_spelling() {
    for text in [
        "time,principal,subject,fields\n2026-05-12T08:00:00Z,ana,17,name;email\n",
        "\u{feff}time,principal,subject,fields\r\n2026-05-12T10:00:00+02:00,ana,17,name;email\r\n",
        "subject\tfields\tprincipal\ttime\n17\tname;email\tana\t1778572800",
        "TIME;Principal;SUBJECT;fields\n\"2026-05-12 08:00:00\";ana;17;\"name;email\"\n\n",
        "time,extra,principal,subject,fields\n1778572800000,\"a,\"\"b\"\"\nc\", ana ,17,name;EMAIL",
        "\ntime,principal,subject,fields\n2026-05-12T08:00:00Z,ana,17,name;email\ntime,principal,subject,fields\n",
    ] {
        assert_eq!(read(text).unwrap().rows, [ROW], "{text:?}");
    }
}

#[test]
fn gzip_file_is_unpacked() {
    let text = "time,principal,subject,fields\n2026-05-12T08:00:00Z,ana,17,name;email\n";
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(text.as_bytes()).unwrap();
    let packed = packer.finish().unwrap();
    assert_eq!(read_bytes(&packed, &AccessFormat::default(), None).unwrap().rows, [ROW]);
    let broken = &packed[..packed.len() - 12];
    assert!(read_bytes(broken, &AccessFormat::default(), None).is_err());
}

#[test]
fn map_pattern_zone_and_shown_fields_read_a_foreign_log() {
    let text = "when|user|customer\n12.05.2026 10:00|ana|17\n";
    let table = TableFormat {
        columns: ColumnMap::parse("time=when,principal=user,subject=customer", &ACCESS_COLUMNS).unwrap(),
        ..TableFormat::default()
    };
    let mut times = TimeFormat::in_zone("Europe/Berlin").unwrap();
    times.pattern = Some("%d.%m.%Y %H:%M".into());
    let format = AccessFormat { table, times, shown_fields: Some("name;email".into()) };
    let found = read_bytes(text.as_bytes(), &format, None).unwrap();
    assert_eq!(found.rows, [ROW]);
    assert!(!found.tally.assumed_utc && !found.tally.has_reasons);
    assert!(read("time,principal,subject,fields\n2026-05-12 08:00:00,a,1,name\n").unwrap().tally.assumed_utc);
}

#[test]
fn reason_comes_from_its_column_or_from_a_list() {
    let text = "time,principal,subject,fields,reason,statement\n\
        1778572800,ana,watched,name,T-1,SELECT 1\n1778572800,ana,18,name,,\n1778572800,bo,18,name, ,x\n";
    let found = read(text).unwrap();
    let flags: Vec<&str> = found.rows.iter().map(|row| row.rsplit(' ').next().unwrap()).collect();
    assert_eq!(flags, ["no", "yes", "no"]);
    assert_eq!(found.noted, ["Some(\"T-1\") Some(\"SELECT 1\")"]);

    let list =
        "subject,principal,from,until,reason\n18,ana,2026-05-12,2026-05-13,T-2\n18,bo,2026-05-13,,T-3\n";
    let found = read_bytes(text.as_bytes(), &AccessFormat::default(), Some(list)).unwrap();
    let flags: Vec<&str> = found.rows.iter().map(|row| row.rsplit(' ').next().unwrap()).collect();
    assert_eq!(flags, ["yes", "yes", "no"]);
}

#[test]
fn malformed_line_is_named_and_ends_the_reading_or_is_counted() {
    let head = "time,principal,subject,fields\n2026-05-12T08:00:00Z,ana,17,name;email\n";
    let huge = "x".repeat(5 << 20);
    for (line, expected) in [
        ("2026-05-12T08:00:00Z,ana,17", "line 3: it has 3 columns, the header 4"),
        ("2026-05-12T08:00:00Z,ana,17,name,email", "line 3: it has 5 columns, the header 4"),
        ("2026-05-32T08:00:00Z,ana,17,name", "line 3: `2026-05-32T08:00:00Z` is not a time"),
        ("secret@example.com,ana,17,name", "line 3: `time` is not a time"),
        (",ana,17,name", "line 3: `time` is empty"),
        ("1778572800,,17,name", "line 3: `principal` is empty"),
        ("1778572800,ana,,name", "line 3: `subject` is empty"),
        ("1778572800,ana,\"17,name", "line 3: a quoted cell is not closed"),
        ("1778572800,\"ana\"x,17,name", "line 3: text follows the end of a quoted cell"),
        ("\u{1}\u{2}\u{3}", "line 3: it has 1 columns"),
        (huge.as_str(), "line 3: the line is longer than 1 MiB"),
    ] {
        let text = format!("{head}{line}\n2026-05-12T08:00:00Z,ana,17,name;email\n");
        let error = read(&text).err().unwrap();
        assert!(error.contains(expected) && !error.contains("secret"), "{error}");
        let found = read_bytes(text.as_bytes(), &skipping(), None).unwrap();
        assert_eq!(
            (found.rows.as_slice(), found.tally.table.bad),
            (&[ROW.to_owned(), ROW.to_owned()][..], 1),
            "{expected}"
        );
        assert_eq!(found.tally.table.bad_lines[0].line, 3);
    }
    let bytes = [head.as_bytes(), b"1778572800,\xff\xfe,17,name\n"].concat();
    let error = read_bytes(&bytes, &AccessFormat::default(), None).err().unwrap();
    assert!(error.contains("line 3: `principal` is not UTF-8"), "{error}");
}

#[test]
fn first_bad_line_of_a_long_log_is_the_one_named() {
    let mut text = String::from("time,principal,subject,fields\n");
    let row = "2026-05-12T08:00:00Z,ana,17,name;email\n";
    for line in 2..=400_000 {
        text.push_str(if line == 90_001 || line == 90_003 || line > 300_000 { "bad\n" } else { row });
    }
    let error = read(&text).err().unwrap();
    assert!(error.contains("`log.csv` line 90001: "), "{error}");
    let found = read_bytes(text.as_bytes(), &skipping(), None).unwrap();
    assert_eq!(found.tally.table.bad, 100_002);
    assert_eq!(found.rows.len(), 299_997);
    let lines: Vec<u64> = found.tally.table.bad_lines.iter().map(|bad| bad.line).take(3).collect();
    assert_eq!(lines, [90_001, 90_003, 300_001]);
}

#[test]
fn file_that_is_no_log_is_refused_in_one_sentence() {
    let parquet = [b"PAR1".as_slice(), &[0; 40]].concat();
    let parquet_expected = if cfg!(feature = "parquet") { "cannot read `log.csv`" } else { "a Parquet file" };
    let utf16 = [0xff, 0xfe, b't', 0];
    let many = format!(
        "time,principal,subject,fields\n{}",
        (0..40).map(|n| format!("1,a,b,f{n}\n")).collect::<String>()
    );
    for (bytes, expected) in [
        (b"".as_slice(), "`log.csv` is empty"),
        (b"\n \n", "`log.csv` is empty"),
        (b"a,b,c\n1,2,3\n", "no column `time`; its header is `a,b,c`"),
        (b"time,principal,subject,fields,subject\n", "the column `subject` 2 times"),
        (&parquet, parquet_expected),
        (&utf16, "UTF-16"),
        (b"\x7fELF\0\0\0\0", "binary data"),
        (many.as_bytes(), "more than 32 different names"),
    ] {
        let error = read_bytes(bytes, &AccessFormat::default(), None).err().unwrap();
        assert!(error.contains(expected) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn torn_line_of_zeros_is_a_malformed_line() {
    let text = b"time,principal,subject\n\0\0\0\n2026-05-12T08:00:00Z,ana,17\n";
    let error = read_bytes(text, &AccessFormat::default(), None).err().unwrap();
    assert!(error.contains("line 2"), "{error}");
    let table = TableFormat { bad_lines: BadLines::Skip, ..TableFormat::default() };
    let found = read_bytes(text, &AccessFormat { table, ..AccessFormat::default() }, None).unwrap();
    assert_eq!((found.rows.len(), found.tally.table.bad), (1, 1));
}

#[test]
fn log_without_fields_is_read_and_says_so() {
    let text = b"time,principal,subject\n2026-05-12T08:00:00Z,ana,17\n";
    let found = read_bytes(text, &AccessFormat::default(), None).unwrap();
    assert_eq!(found.rows, ["2026-05-12T08:00:00.000000Z ana 17 0 ?"]);
    assert!(!found.tally.has_fields);
    let format = AccessFormat { shown_fields: Some("name".into()), ..AccessFormat::default() };
    assert!(read_bytes(text, &format, None).unwrap().tally.has_fields);
}

#[cfg(feature = "parquet")]
mod parquet_files {
    use std::sync::Arc;

    use arrow_array::builder::{ListBuilder, StringBuilder};
    use arrow_array::types::Int32Type;
    use arrow_array::{
        ArrayRef, Decimal128Array, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
        TimestampMillisecondArray,
    };
    use parquet::arrow::ArrowWriter;

    use super::*;

    fn file(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes
    }

    fn texts(texts: &[&str]) -> ArrayRef {
        Arc::new(StringArray::from(texts.to_vec()))
    }

    fn moments(millis: Vec<i64>) -> TimestampMillisecondArray {
        TimestampMillisecondArray::from(millis)
    }

    #[test]
    fn parquet_log_reads_as_the_csv_would() {
        let mut fields = ListBuilder::new(StringBuilder::new());
        fields.values().append_value("name");
        fields.values().append_value("email");
        fields.append(true);
        let lists: ArrayRef = Arc::new(fields.finish());
        let time = |zone: Option<&str>| -> ArrayRef {
            Arc::new(moments(vec![1_778_572_800_000]).with_timezone_opt(zone))
        };
        let key: ArrayRef = Arc::new(Int64Array::from(vec![17]));
        for columns in [
            vec![
                ("time", time(Some("UTC"))),
                ("principal", texts(&["ana"])),
                ("subject", key.clone()),
                ("fields", lists.clone()),
            ],
            vec![
                ("fields", texts(&["name;email"])),
                ("Time", texts(&["2026-05-12T10:00:00+02:00"])),
                ("principal", texts(&["ana"])),
                ("unused", Arc::new(Float64Array::from(vec![0.5]))),
                ("subject", texts(&["17"])),
            ],
        ] {
            let found = read_bytes(&file(columns), &AccessFormat::default(), None).unwrap();
            assert_eq!((found.rows.as_slice(), found.tally.assumed_utc), (&[ROW.to_owned()][..], false));
        }
        // As data frames are written: dictionaries, and keys as decimals or floats.
        let names: DictionaryArray<Int32Type> = ["ana"].into_iter().collect();
        let decimal = Decimal128Array::from(vec![1_700]).with_precision_and_scale(12, 2).unwrap();
        let keys: [ArrayRef; 2] = [Arc::new(decimal), Arc::new(Float64Array::from(vec![17.0]))];
        for subject in keys {
            let columns = vec![
                ("time", time(Some("UTC"))),
                ("principal", Arc::new(names.clone()) as ArrayRef),
                ("subject", subject),
                ("fields", lists.clone()),
            ];
            let found = read_bytes(&file(columns), &AccessFormat::default(), None).unwrap();
            assert_eq!(found.rows, [ROW.to_owned()]);
        }
        let local = vec![
            ("time", time(None)),
            ("principal", texts(&["a,\"b\"\nc"])),
            ("subject", key),
            ("fields", lists),
        ];
        let found = read_bytes(&file(local), &AccessFormat::default(), None).unwrap();
        assert!(found.tally.assumed_utc && found.rows[0].contains("a,\"b\"\nc 17"), "{:?}", found.rows);
    }

    #[test]
    fn parquet_log_of_other_columns_says_which_are_missing() {
        let bytes = file(vec![("when", texts(&["x"])), ("who", texts(&["y"]))]);
        let error = read_bytes(&bytes, &AccessFormat::default(), None).err().unwrap();
        assert!(error.contains("no column `time`; its header is `when,who`"), "{error}");
        let bytes = file(vec![
            ("time", texts(&["soon"])),
            ("principal", texts(&["a"])),
            ("subject", texts(&["1"])),
            ("fields", texts(&["f"])),
        ]);
        let error = read_bytes(&bytes, &AccessFormat::default(), None).err().unwrap();
        assert!(error.contains("line 2: `time` is not a time"), "{error}");
    }
}
