//! The trace from outside: who is named, who is not, and what odd input comes to.

mod odd_input;
mod verdict;
mod world;
