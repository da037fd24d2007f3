use serde::Serialize;

/// One line of output: a subject shown by a statement, or rows without a known subject.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Record<'r> {
    pub(super) time: &'r str,
    pub(super) principal: &'r str,
    pub(super) login: &'r str,
    pub(super) statement: &'r str,
    pub(super) subject: Option<String>,
    pub(super) fields: Vec<&'r str>,
    pub(super) certainty: &'r str,
    pub(super) reason: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rows: Option<u32>,
    /// It comes from a log that others wrote.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) imported: bool,
}
