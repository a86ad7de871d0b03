//! The `chaincast` binary: reads the command line, and runs what it asks for.

use std::{pin::pin, process::ExitCode};

use chaincast::{
    app::{self, App},
    cli::{Cli, Command, ConfigCommand, KeysCommand, LogCommand, TokenCommand},
    commands,
    config::{Config, Layers, Secret, default_file},
    http::{asyncapi, openapi},
    shutdown::Signals,
    telemetry,
};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::from_process(app::faults)).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("chaincast: {}", app::words(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { config, layers, .. } = &cli;
    let command = cli.command_or_serve();
    if command.opens_the_store() {
        telemetry::init(&config.telemetry)?;
    }
    match command {
        Command::Serve => serve(cli.config, &cli.layers).await?,
        // ends with a newline of its own
        Command::Openapi => print(&openapi::to_json())?,
        Command::Asyncapi => print(&asyncapi::to_json())?,
        Command::Healthcheck { live } => println!("{}", app::healthcheck(config, live)?),
        Command::Config { command } => settings(layers, command)?,
        Command::Completions { shell } => completions(shell)?,
        Command::Token { command: None, wanted } => print(&(app::token(config, &wanted).await? + "\n"))?,
        Command::Token { command: Some(TokenCommand::Show { token }), .. } => show_token(token.as_ref())?,
        Command::Migrate { check } => println!("{}", app::migrate(config, check).await?),
        Command::Keys { command } => keys(config, command).await?,
        Command::Tail(tail) => return Ok(commands::tail(*tail).await),
        Command::Publish(publish) => return Ok(commands::publish(*publish).await),
        Command::Log { command: LogCommand::Export(order) } => return Ok(commands::end(app::export(config, &order).await)),
        Command::Log { command: LogCommand::Import(order) } => return Ok(commands::end(app::import(config, &order).await)),
        Command::Log { command: LogCommand::Stats(order) } => print!("{}", app::stats(config, order).await?),
        Command::Log { command: LogCommand::NewEpoch { cause } } => println!("{}", app::new_epoch(config, &cause).await?),
        Command::Log { command: LogCommand::Copy { to } } => {
            println!("{}", app::copy(config, &to, |progress| eprintln!("{progress}")).await?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: Config, layers: &Layers) -> anyhow::Result<()> {
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

async fn keys(config: &Config, command: KeysCommand) -> anyhow::Result<()> {
    let said = app::keys(config, command, &user()).await?;
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

/// Who runs this, for the audit trail: a name, else the number of whoever owns the process.
fn user() -> String {
    use std::os::unix::fs::MetadataExt as _;

    let uid = || std::fs::metadata("/proc/self").map_or_else(|_| "unknown".to_owned(), |process| process.uid().to_string());
    std::env::var("USER").ok().filter(|user| !user.is_empty()).unwrap_or_else(uid)
}
