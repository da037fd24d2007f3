use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Seat;
use crate::gateway::Gateway;
use crate::gateway::catalogues::CatalogueCell;

/// What a session waits for before it decides again.
#[derive(Default)]
pub(super) struct Wait(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Wait {
    /// Waits for answers of the reason query.
    pub(super) fn for_answers(&mut self, seat: &Arc<Seat>, seen: u64) {
        let budget = Arc::clone(&seat.budget);
        self.0 = Some(Box::pin(async move { budget.answered(seen).await }));
    }

    /// Waits for a fresh look at the database's catalogue.
    pub(super) fn for_catalogue(&mut self, cell: &Arc<CatalogueCell>) {
        let cell = Arc::clone(cell);
        self.0 = Some(Box::pin(async move { cell.refresh().await }));
    }

    /// Waits for room in the ledger's buffer.
    pub(super) fn for_space(&mut self, gateway: &Arc<Gateway>) {
        let gateway = Arc::clone(gateway);
        self.0 = Some(Box::pin(async move {
            let _ = std::future::poll_fn(|cx| gateway.spool.poll_room(cx)).await;
        }));
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(future) = &mut self.0 else { return Poll::Ready(()) };
        if future.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.0 = None;
        Poll::Ready(())
    }
}
