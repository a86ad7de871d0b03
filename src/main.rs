//! The `chaincast` binary: reads the command line, and runs what it asks for.

use std::{pin::pin, process::ExitCode};

use chaincast::{
    app::{self, App},
    cli::{Cli, Command, ConfigCommand, KeysCommand, LogCommand, TokenCommand},
    commands,
    config::{Config, DatabaseUrl, Layers, Secret, default_file},
    http::{asyncapi, openapi},
    shutdown::Signals,
    telemetry,
};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::from_process();
    let outcome = match cli.command_or_serve() {
        Command::Serve => serve(cli.config, &cli.layers).await,
        // ends with a newline of its own
        Command::Openapi => print(&openapi::to_json()),
        Command::Asyncapi => print(&asyncapi::to_json()),
        Command::Healthcheck { live } => app::healthcheck(&cli.config, live).map(|status| println!("{status}")),
        Command::Config { command } => settings(&cli.layers, command),
        Command::Completions { shell } => completions(shell),
        Command::Token { command: None, wanted } => app::token(&cli.config, &wanted).await.and_then(|token| print(&(token + "\n"))),
        Command::Token { command: Some(TokenCommand::Show { token }), .. } => show_token(token.as_ref()),
        Command::Migrate { check } => migrate(cli.config, check).await,
        Command::Keys { command } => keys(cli.config, command).await,
        Command::Tail(tail) => return commands::tail(*tail).await,
        Command::Publish(publish) => return commands::publish(*publish).await,
        Command::Log { command: LogCommand::Export(order) } => return commands::end(app::export(&cli.config, &order).await),
        Command::Log { command: LogCommand::Import(order) } => return commands::end(app::import(&cli.config, &order).await),
        Command::Log { command: LogCommand::Stats(order) } => app::stats(&cli.config, order).await.map(|text| print!("{text}")),
        Command::Log { command: LogCommand::NewEpoch { cause } } => new_epoch(cli.config, &cause).await,
        Command::Log { command: LogCommand::Copy { to } } => copy(cli.config, &to).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chaincast: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config, layers: &Layers) -> anyhow::Result<()> {
    telemetry::init(&config.telemetry)?;
    if let Some(file) = &layers.file {
        tracing::info!(file = %file.display(), "settings were read from a file");
    }
    layers.warnings.iter().chain(&config.warnings()).for_each(|warning| tracing::warn!("{warning}"));
    let signals = Signals::listen()?;
    let mut stop = pin!(async {
        let signal = signals.requested().await;
        tracing::info!(%signal, "told to stop");
    });
    let app = tokio::select! {
        app = App::build(config) => app?,
        // before there is anything to drain
        () = &mut stop => return Ok(()),
    };
    app.run_until_stopped(stop).await
}

/// Writes to standard output, whose reader may have seen enough.
fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;

    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

fn completions(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::definition(), "chaincast", &mut text);
    print(&String::from_utf8_lossy(&text))
}

fn settings(layers: &Layers, command: ConfigCommand) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Default => print(&default_file())?,
        ConfigCommand::Show { changed } => print(&layers.show(changed))?,
        ConfigCommand::Check => {
            let found = app::check(layers);
            found.warnings.iter().for_each(|warning| eprintln!("chaincast: warning: {warning}"));
            if let Some((last, faults)) = found.faults.split_last() {
                faults.iter().for_each(|fault| eprintln!("chaincast: {fault}"));
                anyhow::bail!("{last}");
            }
            println!("OK: {}", found.read);
        }
    }
    Ok(())
}

async fn keys(config: Config, command: KeysCommand) -> anyhow::Result<()> {
    telemetry::init(&config.telemetry)?;
    let said = app::keys(&config, command, &user()).await?;
    if let Some(text) = said.err {
        eprintln!("{text}");
    }
    if let Some(text) = said.out {
        println!("{text}");
    }
    Ok(())
}

fn show_token(token: Option<&Secret>) -> anyhow::Result<()> {
    let token = token.map_or_else(|| std::io::read_to_string(std::io::stdin()), |token| Ok(token.expose().to_owned()))?;
    println!("{}", app::show_token(&token)?);
    Ok(())
}

async fn migrate(config: Config, check: bool) -> anyhow::Result<()> {
    telemetry::init(&config.telemetry)?;
    println!("{}", app::migrate(&config, check).await?);
    Ok(())
}

/// Who runs this, for the audit trail: a name, else the number of whoever owns the process.
fn user() -> String {
    use std::os::unix::fs::MetadataExt as _;

    let uid = || std::fs::metadata("/proc/self").map_or_else(|_| "unknown".to_owned(), |process| process.uid().to_string());
    std::env::var("USER").ok().filter(|user| !user.is_empty()).unwrap_or_else(uid)
}

async fn new_epoch(config: Config, cause: &str) -> anyhow::Result<()> {
    telemetry::init(&config.telemetry)?;
    println!("{}", app::new_epoch(&config, cause).await?);
    Ok(())
}

async fn copy(config: Config, to: &DatabaseUrl) -> anyhow::Result<()> {
    telemetry::init(&config.telemetry)?;
    println!("{}", app::copy(&config, to, |progress| eprintln!("{progress}")).await?);
    Ok(())
}
