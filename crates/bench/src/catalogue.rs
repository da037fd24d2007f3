//! Names in the support database, and the statements and scripts that read it.

use rand::RngExt;

use crate::work::EXPORT_ROWS;

/// The database.
pub(crate) const DATABASE: &str = "support";
/// The role all work is done as.
pub(crate) const AGENT: &str = "agent";
/// The role Rastro reads the catalogue and the reasons as.
pub(crate) const GATEWAY: &str = "rastro";

/// The first ticket number; `customers / 3 * 3` follow.
pub(crate) const FIRST_TICKET: u64 = 10_000_000;

/// Returns the pgbench script of an agent's lookup: one ticket to its customer to all the tickets.
pub(crate) fn lookup_script(customers: u64) -> String {
    let last = FIRST_TICKET + customers / 3 * 3 - 1;
    format!(
        "\\set ticket random({FIRST_TICKET}, {last})\n\
         SELECT c.id, o.customer_id, c.name, c.email, c.phone, o.ticket_number, o.status \
         FROM tickets t JOIN customers c ON c.id = t.customer_id JOIN tickets o ON o.customer_id = c.id \
         WHERE t.ticket_number = :ticket::text;\n"
    )
}

/// Returns the pgbench script of a page of 50 customers.
pub(crate) fn page_script(customers: u64) -> String {
    let last = customers - 50;
    format!(
        "\\set after random(0, {last})\n\
         SELECT id, name, email, phone FROM customers WHERE id > :after ORDER BY id LIMIT 50;\n"
    )
}

/// Returns a `SELECT` of [`EXPORT_ROWS`] customers from a random place.
pub(crate) fn export_select(customers: u64) -> String {
    let first = rand::rng().random_range(1..=customers - EXPORT_ROWS + 1);
    let last = first + EXPORT_ROWS - 1;
    format!("SELECT id, name, email, phone FROM customers WHERE id BETWEEN {first} AND {last}")
}

/// The statement that copies the whole table.
pub(crate) const COPY_TABLE: &str = "COPY customers (id, name, email, phone) TO STDOUT";

/// Returns a `SELECT` of about an eighth of all customers, scattered at random.
pub(crate) fn harvest_select(seed: u64) -> String {
    format!("SELECT id, name, email, phone FROM customers WHERE hashint8extended(id, {seed}) & 7 = 0")
}
