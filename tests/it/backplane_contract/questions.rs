//! What instances ask each other.

use std::time::Duration;

use chaincast::backplane::Question;
use tokio::{sync::mpsc, task::JoinHandle};

use super::{instance::Instance, servers::Server};
use crate::support::wait::PATIENCE;

/// Answers every question with `name` and its text.
fn answering(mut questions: mpsc::Receiver<Question>, name: Vec<u8>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(Question { text, reply }) = questions.recv().await {
            // the asker may have lost patience
            let _ = reply.send([&name[..], &text].concat());
        }
    })
}

pub(super) async fn questions_are_answered_by_all<S: Server>(server: S) {
    let instances = [(); 3].map(|()| Instance::start(&server, &[]));
    for instance in &instances {
        instance.until("acquainted", |status| status.peers == 2).await;
    }
    let [one, two, three] = instances;
    assert_eq!(one.backplane.ask(Vec::new(), Duration::ZERO).await.missing, 2, "no patience");
    // far longer than a message
    let long = vec![b'2'; 3 * 64 * 1024 + 1];
    let _answering = [answering(two.inbox.questions, long.clone()), answering(three.inbox.questions, b"3".to_vec())];
    for question in [&b" how many?"[..], b""] {
        let mut answers = one.backplane.ask(question.to_vec(), PATIENCE).await;
        answers.texts.sort();
        assert_eq!((answers.texts.len(), answers.missing), (2, 0));
        assert_eq!(answers.texts, [[&long[..], question].concat(), [b"3", question].concat()]);
    }
}

pub(super) async fn who_does_not_answer_is_missing_and_who_died_is_forgotten<S: Server>(server: S) {
    let [one, two] = [(); 2].map(|()| Instance::start(&server, &[]));
    // one that dies has no time to say so
    let process = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let dying = {
        let _entered = process.enter();
        Instance::start(&server, &[])
    };
    one.until("acquainted", |status| status.peers == 2).await;
    let _answering = answering(two.inbox.questions, b"2".to_vec());
    process.shutdown_background();
    let answers = one.backplane.ask(b"?".to_vec(), Duration::from_millis(500)).await;
    assert_eq!((answers.texts, answers.missing), (vec![b"2?".to_vec()], 1));
    one.until("one fewer", |status| status.peers == 1).await;
    let answers = one.backplane.ask(b"?".to_vec(), PATIENCE).await;
    assert_eq!((answers.texts, answers.missing), (vec![b"2?".to_vec()], 0));
    drop(dying);
}
