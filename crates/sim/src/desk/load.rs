use std::fmt::Write as _;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio_postgres::Client;

use super::SupportDesk;

/// Bytes of COPY text sent at a time: large enough that the round trips vanish, small enough to keep.
const CHUNK_BYTES: usize = 256 * 1024;

const TABLES: &str = "
CREATE TABLE customers (id bigint NOT NULL, name text NOT NULL, email text NOT NULL, phone text,
    language text NOT NULL, country text NOT NULL, product text NOT NULL, created_at timestamptz NOT NULL);
CREATE TABLE agents (id integer PRIMARY KEY, login text NOT NULL UNIQUE, team text NOT NULL);
CREATE TABLE tickets (id bigint NOT NULL, ticket_number text NOT NULL, customer_id bigint NOT NULL,
    assignee text NOT NULL, status text NOT NULL, subject text NOT NULL,
    opened_at timestamptz NOT NULL, closed_at timestamptz);";

/// Built after the rows are in: several times faster than keeping them up to date.
const INDEXES: &str = "
ALTER TABLE customers ADD PRIMARY KEY (id);
ALTER TABLE customers ADD UNIQUE (email);
ALTER TABLE tickets ADD PRIMARY KEY (id);
ALTER TABLE tickets ADD UNIQUE (ticket_number);
CREATE INDEX tickets_customer ON tickets (customer_id);
CREATE INDEX tickets_open ON tickets (assignee) WHERE status <> 'closed';
ALTER TABLE tickets ADD FOREIGN KEY (customer_id) REFERENCES customers;
CREATE ROLE support NOLOGIN;
GRANT SELECT ON customers, agents TO support;
GRANT SELECT, UPDATE ON tickets TO support;
ANALYZE;";

/// Where loading stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoadStep {
    /// So many customers are in the table.
    Customers(u64),
    /// The tickets of so many customers are in the table.
    Tickets(u64),
    /// Rows are in; keys and indexes are being built.
    Indexes,
}

/// Why the desk could not be loaded.
#[derive(Debug, thiserror::Error)]
#[error("cannot load the support desk ({step})")]
pub struct LoadError {
    step: &'static str,
    source: tokio_postgres::Error,
}

impl SupportDesk {
    /// Creates tables, rows, indexes and one role per agent (password: its name), with a superuser's
    /// `client`, in an empty database. Streams: memory does not grow with the number of customers.
    ///
    /// * `progress`: called after every chunk.
    ///
    /// # Errors
    /// The first statement that fails; the database is then of no use.
    pub async fn load(&self, client: &Client, mut progress: impl FnMut(LoadStep)) -> Result<(), LoadError> {
        let at = |step| move |source| LoadError { step, source };
        // Rows copied in the transaction that made their table need no write-ahead log.
        client.batch_execute("BEGIN").await.map_err(at("begin"))?;
        client.batch_execute(TABLES).await.map_err(at("tables"))?;
        let copied = self.copy(
            client,
            "customers",
            |id, text| self.write_customer(id, text),
            |rows| {
                progress(LoadStep::Customers(rows));
            },
        );
        copied.await.map_err(at("customers"))?;
        let copied = self.copy(
            client,
            "tickets",
            |id, text| self.write_tickets(id, text),
            |rows| {
                progress(LoadStep::Tickets(rows));
            },
        );
        copied.await.map_err(at("tickets"))?;
        progress(LoadStep::Indexes);
        client.batch_execute(INDEXES).await.map_err(at("indexes"))?;
        client.batch_execute(&self.roles()).await.map_err(at("roles"))?;
        client.batch_execute("COMMIT").await.map_err(at("commit"))
    }

    async fn copy(
        &self,
        client: &Client,
        table: &str,
        write: impl Fn(u64, &mut String),
        mut progress: impl FnMut(u64),
    ) -> Result<(), tokio_postgres::Error> {
        let sink = client.copy_in::<_, Bytes>(&format!("COPY {table} FROM STDIN")).await?;
        let mut sink = std::pin::pin!(sink);
        let mut text = String::with_capacity(CHUNK_BYTES + 4096);
        for id in 1..=self.customers {
            write(id, &mut text);
            if text.len() >= CHUNK_BYTES {
                sink.send(Bytes::copy_from_slice(text.as_bytes())).await?;
                text.clear();
                progress(id);
            }
        }
        sink.send(Bytes::from(text)).await?;
        sink.finish().await?;
        progress(self.customers);
        Ok(())
    }

    // No generated value holds a tab, a line end or a backslash, so nothing needs escaping.
    fn write_customer(&self, id: u64, text: &mut String) {
        let c = self.customer(id);
        let phone = c.phone.as_deref().unwrap_or("\\N");
        let _ = write!(text, "{id}\t{}\t{}\t{phone}\t{}\t{}\t", c.name, c.email, c.language, c.country);
        let _ = writeln!(text, "{}\t{}", c.product, Moment(c.created_at));
    }

    fn write_tickets(&self, id: u64, text: &mut String) {
        for t in self.tickets(id) {
            let _ = write!(text, "{}\t{}\t{id}\t{}\t{}\t", t.id, t.ticket_number, t.assignee, t.status);
            let _ = write!(text, "{}\t{}\t", t.subject, Moment(t.opened_at));
            let _ = match t.closed_at {
                Some(closed) => writeln!(text, "{}", Moment(closed)),
                None => writeln!(text, "\\N"),
            };
        }
    }

    fn roles(&self) -> String {
        let mut script = String::new();
        for (index, login) in self.logins().enumerate() {
            let team = index % 4 + 1;
            let _ = write!(script, "INSERT INTO agents VALUES ({}, '{login}', 'team {team}');", index + 1);
            let _ = write!(script, "CREATE ROLE {login} LOGIN PASSWORD '{login}' IN ROLE support;");
        }
        script
    }
}

/// Prints seconds since 1970 as `2024-02-29 23:59:59+00`.
struct Moment(u64);

impl std::fmt::Display for Moment {
    /// Civil date from a day number: Howard Hinnant, "chrono-compatible low-level date algorithms".
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (days, second) = (self.0 / 86_400, self.0 % 86_400);
        let z = days + 719_468;
        let (era, day_of_era) = (z / 146_097, z % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}+00")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moment_prints_the_civil_date() {
        assert_eq!(Moment(0).to_string(), "1970-01-01 00:00:00+00");
        assert_eq!(Moment(1_709_251_199).to_string(), "2024-02-29 23:59:59+00");
        assert_eq!(Moment(1_735_689_599).to_string(), "2024-12-31 23:59:59+00");
    }
}
