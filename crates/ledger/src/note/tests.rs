use super::*;

#[test]
fn note_of_the_specification_verifies_with_its_published_key() {
    let text = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n";
    let key = NoteVerifier::decode("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
    let signed = format!(
        "{text}\n— PeterNeumann \
         x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    );
    let note = Note::decode(signed.as_bytes()).unwrap();
    let key = key.unwrap();
    assert_eq!(note.verify([&key]).unwrap(), [(&key, 0)]);
    assert_eq!(note.encode(), signed);
    let mut other = note.clone();
    other.text = other.text.replace("answer", "cause");
    assert_eq!(other.verify([&key]), Err(SignatureError::Forged { name: "PeterNeumann".into() }));
}

#[test]
fn key_is_read_back_and_other_keys_do_not_verify() {
    for kind in [SignatureKind::Plain, SignatureKind::Cosignature] {
        let key = NoteKey::generate("ledger.example/1", kind).unwrap();
        let read = NoteKey::decode(&key.encode_private()).unwrap();
        let verifier = NoteVerifier::decode(&key.verifier().encode()).unwrap();
        let mut note = Note::new("text\n".to_owned());
        note.sign(&read, 1_700_000_000);
        let time = if kind == SignatureKind::Plain { 0 } else { 1_700_000_000 };
        let note = Note::decode(note.encode().as_bytes()).unwrap();
        assert_eq!(note.verify([&verifier]).unwrap(), [(&verifier, time)]);
        let stranger = NoteKey::generate("ledger.example/1", kind).unwrap();
        assert_eq!(note.verify([stranger.verifier()]), Err(SignatureError::Unknown));
        // The time of a cosignature is signed too.
        let mut later = note.clone();
        later.signatures[0].bytes[7] ^= 1;
        assert!(later.verify([&verifier]).is_err());
    }
}

#[test]
fn key_text_with_a_changed_character_is_refused() {
    let key = NoteKey::generate("ledger.example/1", SignatureKind::Plain).unwrap().verifier().encode();
    for at in 0..key.len() {
        let mut changed = key.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(NoteVerifier::decode(&String::from_utf8(changed).unwrap()).is_err(), "{at}");
    }
}

#[test]
fn malformed_notes_are_refused() {
    let line = "— a AAAAAAA=\n";
    for (bad, error) in [
        ("", NoteError::Unsigned),
        ("text\n", NoteError::Unsigned),
        ("text\n\n", NoteError::Unsigned),
        ("text\n\n— a AAAAAAA=", NoteError::Unsigned),
        ("te\txt\n\n— a AAAAAAA=\n", NoteError::Text),
        ("text\n\n- a AAAAAAA=\n", NoteError::Line { line: 1 }),
        ("text\n\n— a+b AAAAAAA=\n", NoteError::Line { line: 1 }),
        ("text\n\n— a AAAA\n", NoteError::Line { line: 1 }),
        ("text\n\n— a AAAAAAA=\nx\n", NoteError::Line { line: 2 }),
    ] {
        assert_eq!(Note::decode(bad.as_bytes()), Err(error), "{bad:?}");
    }
    assert!(Note::decode(format!("text\n\n{line}").as_bytes()).is_ok());
    assert_eq!(Note::decode(format!("text\n\n{}", line.repeat(65)).as_bytes()), Err(NoteError::Long));
}
