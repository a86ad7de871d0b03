//! The `chaincast` binary: reads the command line, and runs what it asks for.

use std::{pin::pin, process::ExitCode};

use chaincast::{
    app::{self, App},
    cli::{Cli, Command, LogCommand},
    config::Config,
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
        Command::Log { command: LogCommand::NewEpoch { cause } } => new_epoch(cli.config, &cause).await,
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

async fn new_epoch(config: Config, cause: &str) -> anyhow::Result<()> {
    telemetry::init(&config.telemetry)?;
    println!("{}", app::new_epoch(&config, cause).await?);
    Ok(())
}
