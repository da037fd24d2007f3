use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::PrincipalBudget;

/// Ready once answers have arrived that the admission had not seen. Cancel safe.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Answers<'a> {
    pub(crate) budget: &'a PrincipalBudget,
    pub(crate) seen: u64,
}

impl Future for Answers<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.budget.answers_since(self.seen, context.waker()) { Poll::Ready(()) } else { Poll::Pending }
    }
}
