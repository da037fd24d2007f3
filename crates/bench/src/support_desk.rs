//! The support database: customers, and tickets for a third of them.

use anyhow::Result;

use crate::catalogue::{AGENT, DATABASE, GATEWAY};
use crate::cluster::OWNER;
use crate::session::Session;

/// Fills a new database with `customers` and as many tickets.
///
/// Each customer whose id is a multiple of three has three tickets; numbers are scattered, so that
/// neighbouring numbers belong to distant customers.
pub(crate) fn load(port: u16, customers: u64) -> Result<()> {
    let mut owner = Session::open(port, OWNER, "postgres")?;
    owner.run(&format!("CREATE DATABASE {DATABASE}"), |_| {})?;
    let mut session = Session::open(port, OWNER, DATABASE)?;
    for statement in statements(customers) {
        session.run(&statement, |_| {})?;
    }
    Ok(())
}

/// Reads tables and indexes into shared buffers.
pub(crate) fn warm(port: u16) -> Result<()> {
    let mut session = Session::open(port, OWNER, DATABASE)?;
    session.run(
        "SELECT sum(pg_prewarm(c.oid)) FROM pg_class c \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'i')",
        |_| {},
    )?;
    Ok(())
}

fn statements(customers: u64) -> Vec<String> {
    let tickets = customers / 3 * 3;
    vec![
        "CREATE EXTENSION pg_prewarm".to_owned(),
        format!("CREATE ROLE {AGENT} LOGIN"),
        format!("CREATE ROLE {GATEWAY} LOGIN"),
        "CREATE TABLE customers (id bigint NOT NULL, name text NOT NULL, email text NOT NULL, phone text, \
         language text NOT NULL, country text NOT NULL)"
            .to_owned(),
        format!(
            "INSERT INTO customers SELECT g, \
             (ARRAY['Ana','Bruno','Carla','Diego','Elena','Fumiko','Grace','Hugo'])[1 + g % 8] || ' ' || \
             (ARRAY['Almeida','Brandt','Castro','Dubois','Evans','Ferreira','Goto'])[1 + g % 7] || ' ' || g, \
             'customer' || g || '@example.com', \
             CASE WHEN g % 5 < 2 THEN '+1555' || lpad(g::text, 8, '0') END, \
             (ARRAY['en','pt','es','de','fr'])[1 + g % 5], (ARRAY['US','BR','ES','DE','FR'])[1 + g % 5] \
             FROM generate_series(1, {customers}) g"
        ),
        "CREATE TABLE tickets (ticket_number text NOT NULL, customer_id bigint NOT NULL, \
         assignee text NOT NULL, status text NOT NULL, opened timestamptz NOT NULL, subject text NOT NULL)"
            .to_owned(),
        // 7,919 is prime, so the numbers are a permutation unless it divides their count; the primary key
        // would not let a repeated one pass.
        format!(
            "INSERT INTO tickets SELECT (10000000 + (g::bigint * 7919) % {tickets})::text, \
             3 * ((g - 1) / 3 + 1), '{AGENT}', (ARRAY['open','pending','closed'])[1 + g % 3], \
             '2025-01-01'::timestamptz + g * interval '10 seconds', 'Cannot renew my subscription' \
             FROM generate_series(1, {tickets}) g"
        ),
        "ALTER TABLE customers ADD PRIMARY KEY (id)".to_owned(),
        "ALTER TABLE tickets ADD PRIMARY KEY (ticket_number)".to_owned(),
        "CREATE INDEX ON tickets (customer_id)".to_owned(),
        format!("GRANT SELECT ON customers, tickets TO {AGENT}, {GATEWAY}"),
        "VACUUM (FREEZE, ANALYZE) customers".to_owned(),
        "VACUUM (FREEZE, ANALYZE) tickets".to_owned(),
        "CHECKPOINT".to_owned(),
    ]
}
