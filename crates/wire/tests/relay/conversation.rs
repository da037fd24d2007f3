//! Random conversations that keep to the protocol arrive whole, however they are cut into reads.

use proptest::prelude::*;

use crate::forwarding::{Step, said};
use crate::message::*;
use crate::rig::Rig;

#[derive(Clone, Debug)]
struct Statement {
    simple: bool,
    describes: bool,
    oid: u32,
    rows: Vec<usize>,
    fails: bool,
    aside: bool,
}

fn statement() -> impl Strategy<Value = Statement> {
    let size = prop_oneof![8 => 0usize..200, 1 => 60_000usize..140_000];
    (
        any::<bool>(),
        any::<bool>(),
        1u32..3,
        prop::collection::vec(size, 0..6),
        prop::bool::weighted(0.2),
        any::<bool>(),
    )
        .prop_map(|(simple, describes, oid, rows, fails, aside)| Statement {
            simple,
            describes,
            oid,
            rows,
            fails,
            aside,
        })
}

/// What is said to and by the server, and what of it the client is due.
struct Said {
    asked: Vec<u8>,
    sent_on: Vec<u8>,
    answered: Vec<u8>,
    due: Vec<u8>,
}

fn say(statement: &Statement) -> Said {
    let mut said = Said { asked: vec![], sent_on: vec![], answered: vec![], due: vec![] };
    let description = described(statement.oid);
    if statement.simple {
        said.asked = query("select");
        said.sent_on = said.asked.clone();
        said.answered = description.clone();
        said.due = description;
    } else {
        let head = [parse("", "select"), bind("p", "")].concat();
        let tail = [execute("p", 0), sync()].concat();
        said.sent_on = [&head[..], &describe_portal("p"), &tail].concat();
        said.asked = if statement.describes { said.sent_on.clone() } else { [head, tail].concat() };
        said.due = [bare(b'1'), bare(b'2')].concat();
        said.answered = [&said.due[..], &description].concat();
        if statement.describes {
            said.due.extend(description);
        }
    }
    let mut rest = Vec::new();
    if statement.aside {
        rest.extend([notice("n"), parameter("a", "b")].concat());
    }
    for &size in &statement.rows {
        rest.extend(row(&vec![b'r'; size]));
    }
    rest.extend(if statement.fails { failed("x") } else { complete("SELECT") });
    rest.extend(ready(b'I'));
    said.answered.extend(&rest);
    said.due.extend(rest);
    said
}

fn in_parts(bytes: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn prop_random_conversation_arrives_whole(
        segments in prop::collection::vec(prop::collection::vec(statement(), 1..4), 1..4),
        client_cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        server_cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        holds in any::<bool>(),
    ) {
        let mut steps = Vec::new();
        let (mut sent_on, mut due, mut rows_read) = (Vec::new(), Vec::new(), 0);
        for pipeline in &segments {
            let said: Vec<Said> = pipeline.iter().map(say).collect();
            let join = |part: fn(&Said) -> &[u8]| said.iter().map(part).collect::<Vec<_>>().concat();
            steps.extend(in_parts(&join(|s| &s.asked), &client_cuts).into_iter().map(Step::Client));
            steps.extend(in_parts(&join(|s| &s.answered), &server_cuts).into_iter().map(Step::Server));
            sent_on.extend(join(|s| &s.sent_on));
            due.extend(join(|s| &s.due));
            rows_read += pipeline.iter().filter(|s| s.oid == 1).map(|s| s.rows.len()).sum::<usize>();
        }
        let mut rig = Rig::started();
        rig.inspector.state().holds = holds;
        for step in &steps {
            match step {
                Step::Client(bytes) => rig.client(bytes),
                Step::Server(bytes) => rig.server(bytes),
            }
            let tickets = rig.inspector.state().tickets;
            rig.inspector.change(|state| state.released = tickets.saturating_sub(1));
            rig.run();
        }
        rig.inspector.change(|state| state.released = u64::MAX);
        rig.run();
        prop_assert!(rig.end.is_none(), "{:?}", rig.end);
        prop_assert!(said(&steps, true).len() <= sent_on.len());
        prop_assert!(rig.take_client() == due);
        prop_assert!(rig.take_server() == sent_on);
        let log = rig.inspector.log();
        prop_assert_eq!(log.iter().filter(|line| line.starts_with("row")).count(), rows_read);
    }
}
