//! Pages.

use std::sync::Arc;

use chaincast::{
    domain::{Event, Filter, FilterParts, LogName, Seq, StreamId},
    log::{NewEvent, PageRequest},
};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::place::{Place, event, everything, page, pattern, plains, publish, request, seqs, stream_filter};

const STREAMS: [&str; 4] = ["1", "2", "3", "4"];
const TOPICS: [&str; 5] = ["a", "a.b", "a.b.c", "a.c", "b.b"];
const PATTERNS: [&str; 8] = ["a", "a.b", "a.*", "a.**", "*.b", "**", "a.*.c", "b.**"];

#[derive(Clone, Debug)]
struct Walk {
    filter: Filter,
    after: u64,
    limit: usize,
    max_bytes: usize,
}

fn events() -> impl Strategy<Value = Vec<NewEvent>> {
    let one = (
        proptest::sample::select(&TOPICS[..]),
        proptest::sample::subsequence(STREAMS.to_vec(), 0..=2),
        proptest::sample::subsequence(TOPICS.to_vec(), 0..=2),
        0..40_usize,
    );
    proptest::collection::vec(one, 0..150).prop_map(|events| {
        let numbered = events.into_iter().enumerate();
        let new = numbered.map(|(n, (event_type, streams, topics, pad))| {
            event(&format!("e{n}"), event_type, &streams, &topics, &format!("{:?}", "x".repeat(pad)))
        });
        new.collect()
    })
}

fn walks() -> impl Strategy<Value = Vec<Walk>> {
    let filter = (
        proptest::sample::subsequence(STREAMS.to_vec(), 0..=3),
        proptest::sample::subsequence(PATTERNS.to_vec(), 0..=2),
        proptest::sample::subsequence(PATTERNS.to_vec(), 0..=1),
        any::<bool>(),
    );
    let filter = filter.prop_map(|(streams, topics, types, all)| {
        let streams = streams.into_iter().map(StreamId::new).collect();
        let parts = FilterParts {
            streams,
            users: vec![],
            topics: topics.into_iter().map(pattern).collect(),
            types: types.into_iter().map(pattern).collect(),
            all,
        };
        Filter::new(parts, 100).unwrap_or_else(|_| Filter::everything())
    });
    let walk = (filter, 0..60_u64, 1..12_usize, 1..2000_usize);
    let walk = walk.prop_map(|(filter, after, limit, max_bytes)| Walk { filter, after, limit, max_bytes });
    proptest::collection::vec(walk, 6)
}

pub(crate) async fn a_walk_of_pages_equals_the_filter_itself(place: Place) {
    let (log, _) = place.open().await;
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    for case in 0..12 {
        let tree = (events(), walks()).new_tree(&mut runner).expect("a case");
        let (events, walks) = tree.current();
        let id = log.open(&LogName::new(format!("case-{case}"))).await.expect("opens");
        publish(&log, id, request(events)).await;
        let all = everything(&log, id).await;
        let head = all.len() as u64;
        for walk in walks {
            let expected: Vec<&Event> = all.iter().filter(|e| e.seq.get() > walk.after && walk.filter.matches(&e.keys)).collect();
            let mut found = Vec::new();
            let mut after = walk.after;
            while after < head {
                let request = PageRequest {
                    filter: Arc::new(walk.filter.clone()),
                    after: Seq::new(after),
                    limit: walk.limit,
                    max_bytes: walk.max_bytes,
                };
                let page = log.read(id, &request).await.expect("reads");
                assert!(page.through.get() > after, "no progress at {after}: {walk:?}");
                assert!(page.events.len() <= walk.limit, "{walk:?}");
                let bytes: usize = page.events.iter().map(|event| event.envelope.as_str().len()).sum();
                assert!(bytes <= walk.max_bytes || page.events.len() == 1, "{walk:?}");
                assert!(page.events.iter().all(|event| event.seq.get() > after && event.seq <= page.through), "{walk:?}");
                after = page.through.get();
                found.extend(page.events);
            }
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "case {case}: {walk:?}");
        }
    }
}

pub(crate) async fn a_rare_stream_in_a_big_log_is_one_page(place: Place) {
    let (log, id) = place.open().await;
    for batch in 0..5 {
        let mut events = plains(batch * 1000, (batch + 1) * 1000);
        events.push(event(&format!("rare-{batch}"), "test.rare", &["rare"], &[], "1"));
        publish(&log, id, request(events)).await;
    }
    // nothing that walks the log can pass 5,000 events within a limit of ten
    let rare = page(&log, id, stream_filter(&["rare"]), 0, 10).await;
    assert_eq!((seqs(&rare.events), rare.through), (vec![1001, 2002, 3003, 4004, 5005], Seq::new(5005)));
    // a frequent stream beside it bounds how far is looked, and comes in order
    let both = page(&log, id, stream_filter(&["rare", "1"]), 995, 10).await;
    assert_eq!(seqs(&both.events), (996..=1005).collect::<Vec<_>>());
    assert_eq!(both.through, Seq::new(1005));
}

pub(crate) async fn an_empty_page_moves_to_the_head(place: Place) {
    let (log, id) = place.open().await;
    publish(&log, id, request(plains(0, 20))).await;
    for (filter, after) in [(stream_filter(&["none"]), 0), (stream_filter(&["none"]), 7), (Arc::new(Filter::everything()), 20)] {
        let page = page(&log, id, filter, after, 1).await;
        assert_eq!((page.events.len(), page.through, page.position.head), (0, Seq::new(20), Seq::new(20)));
    }
    let beyond = page(&log, id, Arc::new(Filter::everything()), 99, 1).await;
    assert_eq!((beyond.events.len(), beyond.position.head), (0, Seq::new(20)));
}

pub(crate) async fn a_page_keeps_to_its_bytes_but_holds_one_event(place: Place) {
    let (log, id) = place.open().await;
    publish(&log, id, request(plains(0, 5))).await;
    let length = everything(&log, id).await[0].envelope.as_str().len();
    for (max_bytes, expected) in [(1, 1), (length, 1), (3 * length, 3), (4 * length - 1, 3)] {
        for filter in [Arc::new(Filter::everything()), stream_filter(&["1"])] {
            let page = log.read(id, &PageRequest { filter, after: Seq::ZERO, limit: 10, max_bytes }).await.expect("reads");
            assert_eq!((page.events.len(), page.through), (expected, Seq::new(expected as u64)));
        }
    }
}
