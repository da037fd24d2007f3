//! Words that name personal data in several languages.

/// A field and the words that name it: English, German, French, Spanish, Portuguese, Italian, Dutch, Polish.
const FIELDS: [(&str, &[&str]); 9] = [
    ("email", &["email", "mail", "correo", "courriel", "epost", "poczta"]),
    (
        "phone",
        &[
            "phone",
            "tel",
            "telephone",
            "telefon",
            "telefone",
            "telefono",
            "telefoon",
            "mobile",
            "celular",
            "cellulare",
            "handy",
            "movil",
            "msisdn",
            "fax",
            "whatsapp",
        ],
    ),
    (
        "name",
        &[
            "name",
            "firstname",
            "lastname",
            "fullname",
            "surname",
            "givenname",
            "familyname",
            "vorname",
            "nachname",
            "nome",
            "sobrenome",
            "nombre",
            "apellido",
            "apellidos",
            "nom",
            "prenom",
            "cognome",
            "naam",
            "voornaam",
            "achternaam",
            "imie",
            "nazwisko",
        ],
    ),
    (
        "address",
        &[
            "address",
            "street",
            "adresse",
            "strasse",
            "rue",
            "direccion",
            "calle",
            "endereco",
            "rua",
            "morada",
            "indirizzo",
            "adres",
            "straat",
            "ulica",
            "zip",
            "postcode",
            "plz",
            "cep",
        ],
    ),
    (
        "birth_date",
        &[
            "birth",
            "birthdate",
            "birthday",
            "dob",
            "geburt",
            "geburtsdatum",
            "naissance",
            "nacimiento",
            "nascimento",
            "nascita",
        ],
    ),
    (
        "national_id",
        &[
            "ssn",
            "cpf",
            "cnpj",
            "nif",
            "dni",
            "nie",
            "rg",
            "pesel",
            "bsn",
            "passport",
            "passaporte",
            "ausweis",
            "taxid",
            "curp",
        ],
    ),
    ("bank_account", &["iban", "accountnumber", "kontonummer", "bankaccount"]),
    ("card", &["pan", "cardnumber", "creditcard", "kreditkarte", "cartao"]),
    ("ip_address", &["ip", "ipaddress"]),
];

/// Words of a number that is one customer's alone.
const TICKET: [&str; 12] = [
    "ticket",
    "case",
    "incident",
    "reference",
    "chamado",
    "protocolo",
    "vorgang",
    "dossier",
    "incidencia",
    "caso",
    "zgloszenie",
    "segnalazione",
];
const NUMBER: [&str; 12] = [
    "number",
    "no",
    "nr",
    "num",
    "code",
    "ref",
    "reference",
    "key",
    "numero",
    "nummer",
    "protocolo",
    "codigo",
];
const COHORT: [&str; 17] = [
    "language", "lang", "locale", "idioma", "lingua", "langue", "sprache", "taal", "country", "pais", "pays",
    "land", "region", "product", "segment", "plan", "tier",
];
const ASSIGNEE: [&str; 14] = [
    "assignee",
    "assigned",
    "agent",
    "owner",
    "handler",
    "operator",
    "bearbeiter",
    "responsable",
    "responsavel",
    "atendente",
    "agente",
    "assegnatario",
    "behandelaar",
    "zugewiesen",
];
const STATUS: [&str; 8] = ["status", "state", "estado", "situacao", "zustand", "stato", "statut", "etat"];
const STAFF: [&str; 14] = [
    "employee",
    "employees",
    "staff",
    "agent",
    "agents",
    "mitarbeiter",
    "empleado",
    "empleados",
    "funcionario",
    "funcionarios",
    "operator",
    "operators",
    "admin",
    "admins",
];

/// Returns the words of an identifier: split at `_`, digits and changes of case, lower case, and all joined.
pub(super) fn words_of(identifier: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before_is_lower = false;
    for c in identifier.chars() {
        let begins = !c.is_alphabetic() || (c.is_uppercase() && before_is_lower);
        if begins && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if c.is_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase().map(without_accent));
        }
        before_is_lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    let joined = words.concat();
    if words.len() > 1 {
        words.push(joined);
    }
    words
}

fn without_accent(c: char) -> char {
    match c {
        'á' | 'à' | 'ã' | 'â' | 'ä' => 'a',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'î' | 'ï' => 'i',
        'ó' | 'ô' | 'õ' | 'ö' => 'o',
        'ú' | 'ü' | 'û' => 'u',
        'ç' => 'c',
        'ñ' => 'n',
        other => other,
    }
}

/// Returns the field that a column's name speaks of.
pub(super) fn field_of(column: &str) -> Option<&'static str> {
    let words = words_of(column);
    // `product_name` or `file_name` names no person.
    const THINGS: [&str; 14] = [
        "product", "file", "table", "display", "host", "domain", "class", "type", "event", "role", "plan",
        "queue", "status", "user",
    ];
    let (field, _) = FIELDS.iter().find(|(_, known)| any(&words, known))?;
    (*field != "name" || !any(&words, &THINGS)).then_some(*field)
}

pub(super) fn is_ticket_number(column: &str, table: &str) -> bool {
    let (words, of_table) = (words_of(column), words_of(table));
    let singular = |word: &String| word.trim_end_matches('s').to_owned();
    let about_tickets =
        any(&words, &TICKET) || any(&of_table.iter().map(singular).collect::<Vec<_>>(), &TICKET);
    about_tickets && (any(&words, &NUMBER) || words.len() == 1 && any(&words, &TICKET))
}

pub(super) fn is_cohort(column: &str) -> bool {
    any(&words_of(column), &COHORT)
}

pub(super) fn is_assignee(column: &str) -> bool {
    any(&words_of(column), &ASSIGNEE)
}

pub(super) fn is_status(column: &str) -> bool {
    any(&words_of(column), &STATUS)
}

pub(super) fn is_staff(table: &str) -> bool {
    any(&words_of(table), &STAFF)
}

fn any(words: &[String], known: &[&str]) -> bool {
    words.iter().any(|word| known.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_names_of_several_languages_are_understood() {
        let cases = [
            ("email", Some("email")),
            ("emailAddress", Some("email")),
            ("E_MAIL", Some("email")),
            ("telefone_celular", Some("phone")),
            ("mobile_no", Some("phone")),
            ("Vorname", Some("name")),
            ("prénom", Some("name")),
            ("customer_name", Some("name")),
            ("product_name", None),
            ("username", None),
            ("dt_nascimento", Some("birth_date")),
            ("endereço", Some("address")),
            ("cpf", Some("national_id")),
            ("created_at", None),
            ("hotel", None),
        ];
        for (column, expected) in cases {
            assert_eq!(field_of(column), expected, "{column}");
        }
    }

    #[test]
    fn ticket_numbers_are_told_from_other_columns() {
        assert!(is_ticket_number("ticket_number", "tickets"));
        assert!(is_ticket_number("number", "support_cases"));
        assert!(is_ticket_number("protocolo", "chamados"));
        assert!(!is_ticket_number("id", "tickets"));
        assert!(!is_ticket_number("number", "invoices"));
    }
}
