//! The `chaincast` binary: reads the command line, and runs what it asks for.

use std::{pin::pin, process::ExitCode};

use chaincast::{
    app::{self, App},
    cli::{Cli, Command, KeysCommand, LogCommand},
    commands,
    config::{Config, DatabaseUrl},
    http::openapi,
    shutdown::Signals,
    telemetry,
};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::from_process();
    let outcome = match cli.command_or_serve() {
        Command::Serve => serve(cli.config).await,
        Command::Openapi => {
            // ends with a newline of its own
            print!("{}", openapi::to_json());
            Ok(())
        }
        Command::Healthcheck { live } => app::healthcheck(&cli.config, live).map(|status| println!("{status}")),
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

async fn serve(config: Config) -> anyhow::Result<()> {
    telemetry::init(&config.telemetry)?;
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
