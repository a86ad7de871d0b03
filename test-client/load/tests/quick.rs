//! The scenarios in small, for what is received and not for how fast.

use std::{path::Path, process::Command};

#[test]
fn every_quick_scenario_delivers_exactly_what_was_published() {
    let tool = Path::new(env!("CARGO_BIN_EXE_chaincast-load"));
    // built by the same `cargo test --workspace`, because its own tests run it too
    let chaincast = tool.with_file_name("chaincast");
    assert!(chaincast.is_file(), "no {}: run the tests of the whole workspace", chaincast.display());
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/quick");
    let output = Command::new(tool).arg("run").arg("--chaincast").arg(chaincast).arg("--scenarios").arg(scenarios).output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    for scenario in ["churn", "fanout", "floor", "idle", "publish", "replay", "storm", "streams"] {
        assert!(text.contains(&format!("{scenario} · ")), "{scenario} did not run:\n{text}");
    }
}
