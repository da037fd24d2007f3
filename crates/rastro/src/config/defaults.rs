use std::path::PathBuf;
use std::time::Duration;

use super::{ByteCount, Durability, Freshness, Gateway, Ledger, Period, Values};

pub(super) fn listen() -> String {
    "127.0.0.1:6432".to_owned()
}

pub(super) fn console() -> String {
    "127.0.0.1:8432".to_owned()
}

pub(super) fn data_dir() -> PathBuf {
    PathBuf::from("rastro-data")
}

pub(super) fn grace() -> Period {
    Period(Duration::from_secs(72 * 3_600))
}

impl Default for Ledger {
    fn default() -> Ledger {
        Ledger {
            durability: Durability::default(),
            store: "file".to_owned(),
            group_delay: Period(Duration::from_millis(20)),
            witnesses: Vec::new(),
        }
    }
}

impl Default for Gateway {
    fn default() -> Gateway {
        Gateway {
            session_limit: 2_000,
            worker_threads: None,
            allow_replication: false,
            row_bytes_max: ByteCount(1 << 30),
            held_bytes_max: ByteCount(4 << 20),
        }
    }
}

impl Default for Values {
    fn default() -> Values {
        Values {
            enabled: true,
            poll: Period(Duration::from_secs(2)),
            freshness: Freshness::default(),
            publication: "rastro_values".to_owned(),
        }
    }
}
