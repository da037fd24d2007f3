//! Memory of each proxy: after its work, at rest after a new start, and with many idle sessions.

use anyhow::Result;
use serde::Serialize;

use crate::catalogue::{AGENT, DATABASE};
use crate::options::{Plan, RouteKind};
use crate::process;
use crate::route::Routes;
use crate::session::Session;

/// Sessions opened at once.
const IDLE_SESSIONS: u32 = 500;

/// Memory of one proxy, in kB.
#[derive(Debug, Serialize)]
pub(crate) struct ProxyMemory {
    pub(crate) route: RouteKind,
    /// At most, over all the measurements.
    pub(crate) peak_kb: u64,
    /// Resident after a new start.
    pub(crate) rest_kb: u64,
    /// Of it, not backed by files such as shared libraries.
    pub(crate) rest_anonymous_kb: u64,
    /// Resident with the idle sessions; `None` if they could not be opened.
    pub(crate) idle_kb: Option<u64>,
}

impl ProxyMemory {
    /// Returns what one idle session adds, in kB.
    pub(crate) fn session_kb(&self) -> Option<f64> {
        Some((self.idle_kb? as f64 - self.rest_kb as f64) / f64::from(IDLE_SESSIONS))
    }
}

/// Measures each proxy: restarts it, and closes it in the end.
pub(crate) fn survey(plan: &Plan, routes: &mut Routes) -> Result<Vec<ProxyMemory>> {
    let mut found = Vec::new();
    for kind in routes.kinds() {
        let Some(peak) = routes.get(kind)?.pid().map(process::memory).transpose()? else { continue };
        routes.restart(plan, kind)?;
        let route = routes.get(kind)?;
        let Some(pid) = route.pid() else { continue };
        let rest = process::memory(pid)?;
        let idle = open_sessions(route.port()).and_then(|sessions| {
            let memory = process::memory(pid);
            drop(sessions);
            memory
        });
        if let Err(error) = &idle {
            eprintln!("{}: cannot hold {IDLE_SESSIONS} idle sessions: {error:#}", kind.name());
        }
        // PgBouncer would keep its server connections for the next client.
        routes.close(kind);
        found.push(ProxyMemory {
            route: kind,
            peak_kb: peak.peak_kb,
            rest_kb: rest.resident_kb,
            rest_anonymous_kb: rest.anonymous_kb,
            idle_kb: idle.ok().map(|memory| memory.resident_kb),
        });
    }
    Ok(found)
}

/// Opens the sessions, each of which has done one statement.
fn open_sessions(port: u16) -> Result<Vec<Session>> {
    (0..IDLE_SESSIONS)
        .map(|_| {
            let mut session = Session::open(port, AGENT, DATABASE)?;
            session.value("SELECT 1")?;
            Ok(session)
        })
        .collect()
}
