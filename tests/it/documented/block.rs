//! Commands as they stand in a document.

const RUN: &str = "<!-- run: ";
const FIRST: &str = "<!-- run first: ";
const END: &str = " -->";

/// What to do with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// It ends, with 0.
    Runs,
    /// A service: it does not end.
    Serves,
    /// A follower: it does not end.
    Follows,
    /// It cannot be run here.
    Not,
}

/// A fenced block of shell commands.
#[derive(Debug)]
pub(super) struct Block {
    /// Where its first line stands.
    pub(super) line: usize,
    pub(super) how: How,
    pub(super) text: String,
}

/// All blocks of a document, in order.
pub(super) fn all(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let (mut how, mut open): (How, Option<(usize, Block)>) = (How::Runs, None);
    for (number, line) in document.lines().enumerate() {
        let bare = line.trim_start();
        match &mut open {
            Some((_, block)) if bare == "```" => {
                blocks.push(Block { text: std::mem::take(&mut block.text), ..*block });
                (open, how) = (None, How::Runs);
            }
            Some((indent, block)) => {
                block.text.push_str(line.get(*indent..).unwrap_or(bare));
                block.text.push('\n');
            }
            None if bare == "```sh" => open = Some((line.len() - bare.len(), Block { line: number + 2, how, text: String::new() })),
            None if bare.starts_with(FIRST) => {
                let text = bare[FIRST.len()..].strip_suffix(END).unwrap_or_else(|| panic!("{bare}"));
                blocks.push(Block { line: number + 1, how: How::Runs, text: format!("{text}\n") });
            }
            None if bare.starts_with(RUN) => how = parse(bare),
            // a comment is about the block that follows it at once
            None if !bare.is_empty() => how = How::Runs,
            None => {}
        }
    }
    assert!(open.is_none(), "a block without an end");
    blocks
}

fn parse(comment: &str) -> How {
    let word = comment[RUN.len()..].strip_suffix(END).unwrap_or_else(|| panic!("{comment}"));
    match word {
        "serves" => How::Serves,
        "follows" => How::Follows,
        _ if word.strip_prefix("not, because ").is_some_and(|why| why.len() > 10) => How::Not,
        _ => panic!("{comment}: serves, follows, or `not, because …`"),
    }
}

#[test]
fn blocks_are_found_with_what_is_said_of_them() {
    let document = "<!-- run first: z -->\n```sh\na\n  b\n```\n<!-- run: serves -->\n```sh\nc\n```\n1. x\n   ```sh\n   d\n     e\n   ```\n```json\n{}\n```\n";
    let blocks: Vec<_> = all(document).into_iter().map(|block| (block.line, block.how, block.text)).collect();
    let expected = [(1, How::Runs, "z\n"), (3, How::Runs, "a\n  b\n"), (8, How::Serves, "c\n"), (12, How::Runs, "d\n  e\n")]
        .map(|(line, how, text)| (line, how, text.to_owned()));
    assert_eq!(blocks, expected);
}
