//! What the values of a column look like.

/// Share of the sampled values that must have a shape.
const MOST: f64 = 0.6;
/// Values below which nothing is concluded.
const VALUES_MIN: usize = 5;

/// Returns the field whose shape most of `values` have.
pub(super) fn field_of_values(values: &[String]) -> Option<&'static str> {
    let values: Vec<&str> =
        values.iter().map(|value| value.trim()).filter(|value| !value.is_empty()).collect();
    if values.len() < VALUES_MIN {
        return None;
    }
    let least = MOST * values.len() as f64;
    let fits = |shape: fn(&str) -> bool| values.iter().filter(|value| shape(value)).count() as f64 >= least;
    if fits(is_email) {
        Some("email")
    } else if fits(is_phone) {
        Some("phone")
    } else {
        None
    }
}

fn is_email(value: &str) -> bool {
    let Some((local, domain)) = value.split_once('@') else { return false };
    let Some((host, top)) = domain.rsplit_once('.') else { return false };
    !local.is_empty()
        && !host.is_empty()
        && top.len() >= 2
        && !domain.contains('@')
        && !value.contains([' ', ','])
}

/// Digits alone may be any number: a `+`, a leading 0 or separators make it a phone number.
fn is_phone(value: &str) -> bool {
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let plain = value.chars().all(|c| c.is_ascii_digit() || " +-()./".contains(c));
    let marked = value.starts_with('+') || value.starts_with('0') || value.starts_with('(');
    // 2026-05-12 is a date.
    let date = value.len() == 10 && value.matches('-').count() == 2 && !value.contains(' ');
    plain && marked && !date && (7..=15).contains(&digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_told_apart() {
        let cases: [(&[&str], Option<&str>); 6] = [
            (&["a@b.org", "c.d@e.co", "x+y@z.de", "", "q@w.pt", "no mail", "m@n.io"], Some("email")),
            (
                &["+49 170 1234567", "0351 445566", "(11) 98765-4321", "+351912345678", "0170/998877"],
                Some("phone"),
            ),
            (&["1234567", "2345678", "3456789", "4567890", "5678901"], None),
            (&["2026-05-12", "2026-05-13", "0026-05-14", "2026-05-15", "2026-05-16"], None),
            (&["hello", "world", "how", "are", "you"], None),
            (&["a@b.org"], None),
        ];
        for (values, expected) in cases {
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            assert_eq!(field_of_values(&values), expected, "{values:?}");
        }
    }
}
