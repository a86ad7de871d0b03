//! Command lines as people write them, and what must not be read off them.

use super::*;
use crate::config::Setting;

/// Without the variables of whoever runs the tests.
fn try_parse(texts: &[&str]) -> Result<Cli, String> {
    Cli::read([&["chaincast"], texts].concat(), &Variables::new(), None).map_err(|refusal| match refusal {
        Refusal::Words(error) => error.to_string(),
        Refusal::Settings(faults) => format!("{faults:?}"),
    })
}

fn parse(texts: &[&str]) -> Cli {
    try_parse(texts).expect("valid")
}

#[test]
fn the_definition_is_sound() {
    Cli::definition().debug_assert();
}

#[test]
fn without_flags_it_serves_with_the_documented_defaults() {
    let cli = parse(&[]);
    assert_eq!(cli.command_or_serve(), Command::Serve);
    assert_eq!(cli.config, Config::default());
}

#[test]
fn settings_are_taken_before_and_behind_a_command() {
    for texts in [["--ring-events", "7", "serve"], ["serve", "--ring-events", "7"]] {
        assert_eq!(parse(&texts).config.hub.ring_events, 7, "{texts:?}");
    }
    let cli = parse(&["log", "new-epoch", "--cause", "restored", "--database-url", "sqlite://x"]);
    assert_eq!(cli.command_or_serve(), Command::Log { command: LogCommand::NewEpoch { cause: "restored".into() } });
    assert_eq!(cli.config.log.database_url, "sqlite://x".parse().expect("infallible"));
}

#[test]
fn what_the_service_is_set_to_is_refused_where_it_would_not_count() {
    let refusal = try_parse(&["--ring-events", "7", "openapi"]).expect_err("refused");
    assert!(refusal.contains("--ring-events is a setting of the service, and `openapi` takes none"), "{refusal}");
    assert!(try_parse(&["openapi", "--ring-events", "7"]).is_err());
    assert!(try_parse(&["--config", "x.toml", "openapi"]).is_err());
}

#[test]
fn a_variable_counts_where_it_is_read_alone() {
    let variables = |name: &str, value: &str| Variables::from([(name.to_owned(), value.into())]);
    let read = |command: &str, variables| Cli::read(["chaincast", command], &variables, None);
    assert_eq!(read("serve", variables("CHAINCAST_RING_EVENTS", "7")).expect("valid").config.hub.ring_events, 7);
    for (name, value) in [("CHAINCAST_RING_EVENTS", "none"), ("CHAINCAST_RING_EVENT", "7")] {
        assert!(matches!(read("serve", variables(name, value)), Err(Refusal::Settings(faults)) if faults.len() == 1), "{name}");
        assert!(read("openapi", variables(name, value)).is_ok(), "{name}");
    }
}

#[test]
fn what_is_wrong_besides_is_told_in_the_same_run_unless_it_may_follow() {
    let told = |words: &[&str], variables: &[(&str, &str)], file: Option<PathBuf>| {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
        let further = |config: &Config| config.faults().iter().map(ToString::to_string).collect();
        match Cli::read_whole([&["chaincast"], words].concat(), &variables, file, further) {
            Err(Refusal::Settings(faults)) => faults.iter().map(|fault| format!("{fault}\n")).collect::<String>(),
            other => panic!("{other:?}"),
        }
    };
    let misspelt = [("CHAINCAST_XYZZY", "1"), ("CHAINCAST_SECRET", "short")];
    for words in [&["config", "check"][..], &["serve"], &[]] {
        let both = told(words, &misspelt, None);
        assert!(both.starts_with("CHAINCAST_XYZZY is not a setting\nCHAINCAST_SECRET: the secret must be"), "{both}");
    }
    assert_eq!(told(&["migrate"], &misspelt, None).lines().count(), 1, "it needs no secret");
    let dir = tempfile::TempDir::new().expect("a temporary directory");
    let file = dir.path().join("c.toml");
    let follows: [(&[(&str, &str)], &str); 4] = [
        (&[("REDIS_URL_FILE", "/nonexistent/url"), ("CHAINCAST_BACKPLANE", "redis")], ""),
        (&[("CHAINCAST_BATCH_BYTE", "9000000"), ("CHAINCAST_EVENT_BYTES", "8000000")], ""),
        (&[("CHAINCAST_BACKPLANE", "redis")], "[backplane]\nredis_ulr = \"redis://h\""),
        (&[("CHAINCAST_BACKPLANE", "redis")], "[backplane]\nredis_url = redis://h"),
    ];
    for (variables, text) in follows {
        std::fs::write(&file, text).expect("written");
        let alone = told(&["config", "check"], variables, Some(file.clone()));
        assert_eq!(alone.lines().count(), 1, "{alone}");
    }
}

#[test]
fn help_shows_what_a_command_uses() {
    let help = |path: &[&str], long: bool| {
        let mut command = Cli::definition();
        command.build();
        let found = path.iter().fold(&mut command, |command, name| command.find_subcommand_mut(name).expect("there"));
        if long { found.render_long_help().to_string() } else { found.render_help().to_string() }
    };
    let all = [
        "--ring-events",
        "--jwt-secret",
        "CHAINCAST_JWT_SECRET_FILE",
        "--config",
        "Subscriptions [hub]:",
        "Several instances [backplane]:",
    ];
    for path in [&[][..], &["serve"]] {
        all.iter().for_each(|word| assert!(help(path, true).contains(word), "{path:?} has no {word}"));
        let short = help(path, false);
        assert!(short.contains("--listen") && !short.contains("--ring-events") && short.lines().count() < 50, "{short}");
    }
    // what every service of an installation has is not this one's to explain
    assert!(!help(&["serve"], true).contains("--otel-") && try_parse(&["--otel-service-name", "x"]).is_ok());
    for path in [&["keys", "create"][..], &["log", "copy"]] {
        assert!(help(path, true).contains("--database-url") && !help(path, true).contains("--ring-events"), "{path:?}");
    }
    assert!(!help(&["openapi"], true).contains("--config"));
}

/// The words of an example, up to where a shell would do something else with it; none where it is not one of ours.
fn example(line: &str) -> Vec<String> {
    let line = line.split("   ").next().unwrap_or_default().trim_end_matches(')');
    let Some(at) = line.find("chaincast ").filter(|at| *at == 0 || line[..*at].ends_with(['(', ' '])) else { return Vec::new() };
    let quoted = line[at..].split('\'').enumerate().flat_map(|(n, part)| match n % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    quoted.take_while(|word| !["|", ">", "<", "&&"].contains(&word.as_str())).collect()
}

/// A command and all below it, each with what it is called.
fn with_those_below(command: &clap::Command, path: &str) -> Vec<(String, clap::Command)> {
    let below = command.get_subcommands().flat_map(|below| with_those_below(below, &format!("{path} {}", below.get_name())));
    std::iter::once((path.to_owned(), command.clone())).chain(below).collect()
}

#[test]
fn every_command_has_examples_that_are_understood() {
    let definition = Cli::definition();
    let mut understood = 0;
    for (path, command) in with_those_below(&definition, "chaincast") {
        let Some(text) = command.get_after_long_help().map(ToString::to_string) else {
            assert!(path.split(' ').count() > 2, "{path} has no examples");
            continue;
        };
        assert!(text.starts_with("Examples:\n"), "{path}");
        // help is broken at a hundred columns
        let (lines, prose): (Vec<_>, Vec<_>) = text.lines().skip(1).partition(|line| line.starts_with("  "));
        assert!(lines.iter().all(|line| line.chars().count() <= 100), "{path}: {lines:#?}");
        assert!(
            !prose.windows(2).any(|two| !two[0].is_empty() && !two[1].is_empty()),
            "{path} has a paragraph with ends of lines: {prose:#?}"
        );
        let mut of_its_own = 0;
        for (line, words) in text.lines().map(|line| (line, example(line))).filter(|(_, words)| !words.is_empty()) {
            of_its_own += usize::from(format!("{} ", words.join(" ")).starts_with(&format!("{path} ")));
            if words.contains(&"COMMAND".to_owned()) {
                continue;
            }
            let refused = definition.clone().try_get_matches_from(&words).err();
            // a variable of the same line says where to
            let refused = refused.filter(|_| !(words.join(" ") == "chaincast log copy" && line.contains("CHAINCAST_COPY_TO=")));
            assert!(refused.is_none(), "{words:?}: {refused:?}");
            understood += 1;
        }
        assert!(of_its_own > 0, "{path} has examples of others alone");
    }
    assert!(understood > 40, "{understood}");
}

#[test]
fn a_copy_must_say_where_to() {
    let cli = parse(&["log", "copy", "--to", "postgres://u:open-sesame@h/d"]);
    assert_eq!(
        cli.command_or_serve(),
        Command::Log { command: LogCommand::Copy { to: "postgres://u:open-sesame@h/d".parse().expect("infallible") } }
    );
    assert!(!format!("{cli:?}").contains("open-sesame"));
    assert!(try_parse(&["log", "copy"]).is_err());
}

#[test]
fn a_key_is_asked_for_by_what_it_may_do() {
    let order = |texts: &[&str]| match try_parse(&[&["keys", "create", "--name", "n"], texts].concat())?.command_or_serve() {
        Command::Keys { command: KeysCommand::Create(key) } => Ok(*key),
        other => panic!("{other:?}"),
    };
    let asked: Result<NewKey, String> = order(&["--publish-types", "a.*,b", "--source", "s", "--admin", "--expires-in-days", "9"]);
    let asked = asked.expect("valid");
    assert_eq!(
        (asked.publish_types, asked.source, asked.admin, asked.expires_in_days),
        (vec!["a.*".to_owned(), "b".to_owned()], Some("s".to_owned()), true, Some(9))
    );
    assert_eq!((asked.tenant.as_str(), asked.signing, asked.super_admin), ("default", false, false));
    let bad: [&[&str]; 6] = [
        &[],
        &["--source", "s"],
        &["--subscribe-all", "--publish-topics", "a"],
        &["--admin", "--super-admin"],
        &["--rights", "{}", "--admin"],
        &["--admin", "--expires-in-days", "0"],
    ];
    for texts in bad {
        assert!(order(texts).is_err(), "{texts:?}");
    }
}

#[test]
fn no_secret_is_shown_however_a_command_line_is_looked_at() {
    let mark = "hunter2-hunter2-hunter2-hunter2-hunter2";
    let dir = tempfile::TempDir::new().expect("a temporary directory");
    let secrets: Vec<_> = Setting::all().into_iter().filter(Setting::is_secret).collect();
    assert!(secrets.len() > 7, "{secrets:?}");
    for (setting, form) in secrets.iter().flat_map(|setting| [(setting, ""), (setting, "postgres://u:"), (setting, "x=")]) {
        let value = format!("{form}{mark}");
        let (file, in_file) = (dir.path().join("c.toml"), dir.path().join("secret"));
        std::fs::write(&file, format!("[{}]\n{} = \"{value}\"", setting.table(), setting.key())).expect("written");
        std::fs::write(&in_file, &value).expect("written");
        let read = |words: &[&str], variables: &[(String, &str)], file: Option<&PathBuf>| {
            let variables = variables.iter().map(|(name, value)| (name.clone(), value.into())).collect();
            let read = Cli::read([&["chaincast"], words].concat(), &variables, file.cloned()).expect("read");
            assert!(read.layers.said.iter().any(|said| said.texts == [OsString::from(&value)]), "{setting:?} was not set");
            let faults: Vec<_> = read.config.faults().iter().map(ToString::to_string).collect();
            let shown = format!("{read:?} {read:#?} {} {faults:?} {:?}", read.layers.show(false), read.config.warnings());
            assert!(!shown.contains("hunter2"), "{setting:?}: {shown}");
        };
        read(&[&format!("--{}={value}", setting.flag())], &[], None);
        read(&[], &[(setting.variable(), &value)], None);
        read(&[], &[(setting.file_variable().expect("it is secret"), in_file.to_str().expect("UTF-8"))], None);
        read(&[], &[], Some(&file));
    }
    for words in [["token", "show", mark], ["tail", "--token", mark], ["publish", "--token", mark]] {
        assert!(!format!("{:?}", parse(&words)).contains("hunter2"), "{words:?}");
    }
}

#[test]
fn no_message_shows_a_password() {
    let texts = ["--database-url", "mysql://u:secret@h/d", "--workers", "0"];
    let message = try_parse(&texts).expect_err("no workers");
    assert!(!message.contains("secret"), "{message}");
}
