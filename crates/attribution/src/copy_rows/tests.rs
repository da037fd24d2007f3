use super::*;

fn cells(row: &[u8]) -> Vec<Option<String>> {
    let mut rest = &row[2..];
    let mut cells = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = i32::from_be_bytes(*length);
        let end = usize::try_from(length).unwrap_or(0);
        cells.push((length >= 0).then(|| String::from_utf8_lossy(&after[..end]).into_owned()));
        rest = &after[end..];
    }
    assert_eq!(cells.len(), usize::from(u16::from_be_bytes([row[0], row[1]])));
    cells
}

fn read(format: &CopyFormat, columns: u16, data: &[u8]) -> Option<Vec<Option<String>>> {
    match CopyReader::new(format.clone(), columns).read(data) {
        CopyData::Row(row) => Some(cells(row)),
        CopyData::Nothing => Some(Vec::new()),
        CopyData::Unreadable => None,
    }
}

fn some(cells: &[&str]) -> Option<Vec<Option<String>>> {
    Some(cells.iter().map(|cell| (*cell != "NULL").then(|| (*cell).to_owned())).collect())
}

#[test]
fn line_of_text_is_read_as_postgresql_writes_it() {
    let text = CopyFormat::plain(CopyKind::Text);
    assert_eq!(read(&text, 3, b"7\tAna\t\\N\n"), some(&["7", "Ana", "NULL"]));
    assert_eq!(read(&text, 3, b"\t\t\n"), some(&["", "", ""]));
    assert_eq!(read(&text, 2, b"a\\tb\\\\N\t\\\\N\n"), some(&["a\tb\\N", "\\N"]));
    assert_eq!(read(&text, 1, b"one\\nline\n"), some(&["one\nline"]));
    let other = CopyFormat { delimiter: b'|', null: b"none".as_slice().into(), ..text.clone() };
    assert_eq!(read(&other, 3, b"a\\|b|none|\\N\n"), some(&["a|b", "NULL", "N"]));
    for bad in
        [&b"7\tAna\n"[..], b"7\tAna\tx\ty\n", b"7\tAna\tx", b"7\tA\n8\tB\tx\n", b"7\tA\t\\\n", b"", b"\n"]
    {
        assert_eq!(read(&text, 3, bad), None, "{bad:?}");
    }
    assert_eq!(read(&text, 0, b"\n"), some(&[]));
}

#[test]
fn line_of_csv_is_read_as_postgresql_writes_it() {
    let csv = CopyFormat::plain(CopyKind::Csv);
    assert_eq!(read(&csv, 3, b"7,\"A, \"\"na\"\"\nx\",\n"), some(&["7", "A, \"na\"\nx", "NULL"]));
    assert_eq!(read(&csv, 2, b"\"\",\"x\"\n"), some(&["", "x"]));
    let other = CopyFormat { quote: b'\'', escape: b'\\', null: b"-".as_slice().into(), ..csv.clone() };
    assert_eq!(read(&other, 3, b"'a\\'b\\\\',-,'c\\d'\n"), some(&["a'b\\", "NULL", "c\\d"]));
    for bad in [&b"7,\"a\n"[..], b"7,\"a\"b,c\n", b"7,a\"b,c\n", b"7,a\n8,b\n", b"1,2\n", b"1,2,3,4\n"] {
        assert_eq!(read(&csv, 3, bad), None, "{bad:?}");
    }
}

#[test]
fn header_and_trailer_are_no_rows() {
    let header = CopyFormat { header: true, ..CopyFormat::plain(CopyKind::Csv) };
    let mut reader = CopyReader::new(header, 2);
    assert_eq!(reader.read(b"id,email\n"), CopyData::Nothing);
    assert!(matches!(reader.read(b"7,a@example.com\n"), CopyData::Row(_)));

    let tuple = b"\0\x02\0\0\0\x017\xff\xff\xff\xff";
    let mut reader = CopyReader::new(CopyFormat::plain(CopyKind::Binary), 2);
    let first = [SIGNATURE, &[0; 8], tuple].concat();
    assert_eq!(reader.read(&first), CopyData::Row(tuple));
    assert_eq!(reader.read(tuple), CopyData::Row(tuple));
    assert_eq!(reader.read(&[&tuple[..], tuple].concat()), CopyData::Unreadable);
    assert_eq!(reader.read(&tuple[..8]), CopyData::Unreadable);
    assert_eq!(reader.read(TRAILER), CopyData::Nothing);
    let mut empty = CopyReader::new(CopyFormat::plain(CopyKind::Binary), 2);
    assert_eq!(empty.read(&[SIGNATURE, &[0; 8], TRAILER].concat()), CopyData::Nothing);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(
        data in proptest::prelude::any::<Vec<u8>>(),
        kind in 0..3,
        columns in 0u16..5,
        (delimiter, quote, escape) in proptest::prelude::any::<(u8, u8, u8)>(),
    ) {
        let kind = [CopyKind::Text, CopyKind::Csv, CopyKind::Binary][kind as usize];
        let format = CopyFormat { delimiter, quote, escape, ..CopyFormat::plain(kind) };
        if let CopyData::Row(row) = CopyReader::new(format, columns).read(&data) {
            proptest::prop_assert!(is_row(row, columns));
        }
    }
}
