//! What documents refer to.

use std::path::Path;

use super::{documents, read, root};

/// Targets of `[text](target)`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// What stands between backticks on one line.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn every_link_leads_to_a_file() {
    let mut count = 0;
    for document in documents() {
        let text = read(&document);
        let local = links(&text).filter(|target| !target.contains("://") && !target.starts_with('#'));
        for target in local {
            let file = target.split('#').next().unwrap_or(target);
            let path = root().join(document.parent().unwrap_or(Path::new(""))).join(file);
            assert!(path.exists(), "{}: {target}", document.display());
            count += 1;
        }
    }
    assert!(count > 20, "{count} links");
}

#[test]
fn every_file_of_the_code_that_is_named_is_there() {
    let mut count = 0;
    for document in documents() {
        let text = read(&document);
        let paths = spans(&text)
            .filter(|span| ["src/", "tests/", "migrations/", "examples/", "deploy/", "scripts/"].iter().any(|top| span.starts_with(top)));
        for path in paths.map(|span| span.split([' ', '#']).next().unwrap_or(span)) {
            assert!(path.contains('*') || root().join(path).exists(), "{}: {path}", document.display());
            count += 1;
        }
    }
    assert!(count > 40, "{count} files");
}
