//! Frontend messages, built byte by byte.

/// Appends one message: its tag, its length, its body.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend((body.len() as u32 + 4).to_be_bytes());
    bytes.extend(body);
    bytes
}

fn cstring(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// StartupMessage of protocol 3.0.
pub fn startup(login: &str, database: &str) -> Vec<u8> {
    startup_of(0, &["user", login, "database", database])
}

/// StartupMessage of a minor version of protocol 3; `words` are names and values.
pub fn startup_of(minor: u32, words: &[&str]) -> Vec<u8> {
    let words = words.iter().flat_map(|word| cstring(word));
    request((3 << 16) + minor, &words.chain([0]).collect::<Vec<_>>())
}

pub fn ssl_request() -> Vec<u8> {
    request(80_877_103, &[])
}

pub fn gssenc_request() -> Vec<u8> {
    request(80_877_104, &[])
}

/// CancelRequest; `key` is the body of BackendKeyData.
pub fn cancel_request(key: &[u8]) -> Vec<u8> {
    request(80_877_102, key)
}

/// A first packet: length, code, body.
fn request(code: u32, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32 + 8).to_be_bytes();
    [&length[..], &code.to_be_bytes()[..], body].concat()
}

pub fn query(sql: &str) -> Vec<u8> {
    message(b'Q', &cstring(sql))
}

pub fn parse(statement: &str, sql: &str) -> Vec<u8> {
    message(b'P', &[cstring(statement), cstring(sql), vec![0, 0]].concat())
}

/// Bind with parameters in text; `binary` asks for all results in binary.
pub fn bind(portal: &str, statement: &str, parameters: &[&str], binary: bool) -> Vec<u8> {
    let mut body = [cstring(portal), cstring(statement), vec![0, 0]].concat();
    body.extend((parameters.len() as u16).to_be_bytes());
    for parameter in parameters {
        body.extend((parameter.len() as u32).to_be_bytes());
        body.extend(parameter.as_bytes());
    }
    body.extend([0, 1, 0, u8::from(binary)]);
    message(b'B', &body)
}

pub fn describe_portal(portal: &str) -> Vec<u8> {
    message(b'D', &[vec![b'P'], cstring(portal)].concat())
}

/// Execute; `rows` 0 means all.
pub fn execute(portal: &str, rows: u32) -> Vec<u8> {
    message(b'E', &[cstring(portal), rows.to_be_bytes().to_vec()].concat())
}

pub fn sync() -> Vec<u8> {
    message(b'S', &[])
}

pub fn terminate() -> Vec<u8> {
    message(b'X', &[])
}
