//! The command line. Exit codes: 0 well, 1 what was asked about is not well, 2 wrong usage.

mod commands;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Watches cameras and proves that each shows a living picture.
#[derive(Parser)]
#[command(name = "pulsebox", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Watch the cameras of a configuration until stopped
    Run {
        /// The configuration
        #[arg(long, value_name = "FILE", default_value = "pulsebox.yaml")]
        config: PathBuf,
        /// Where the history is kept
        #[arg(long, value_name = "DIR", default_value = "pulsebox-data")]
        data: PathBuf,
        /// This is the appliance: the page is on port 80 and the LEDs are at their places unless the configuration says
        /// otherwise, and the box's own services are spoken to
        #[arg(long)]
        appliance: bool,
        /// What stands for /run, for tests
        #[arg(long, value_name = "DIR", default_value = "/run", hide = true)]
        run_folder: PathBuf,
    },
    /// Look at one camera once and say how it is
    Check(commands::check::Args),
    /// List the cameras that are plugged in at this machine: USB and CSI
    Cameras(commands::cameras::Args),
    /// Forget the page's password: whoever opens the page next sets a new one
    Password {
        /// Where `pulsebox run` keeps its data
        #[arg(long, value_name = "DIR", default_value = "pulsebox-data")]
        data: PathBuf,
    },
    /// What goes over the MQTT broker
    Mqtt {
        #[command(subcommand)]
        command: MqttCommand,
    },
    /// The LEDs
    Leds {
        #[command(subcommand)]
        command: LedsCommand,
    },
    /// Say by the exit code whether the reset button (GPIO 21) is held for 10 s and then let go
    Button,
    /// Work on a configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Say whether a configuration is right, and if not, where and what to do
    Check {
        /// The configuration
        file: PathBuf,
    },
    /// Take pulsebox.yaml from the card's boot partition, and its passwords off it; for the appliance
    Import(commands::config::ImportArgs),
    /// Make of `network:` what networkd and wpa_supplicant read, and say which of it changed; for the appliance
    Network(commands::config::NetworkArgs),
}

#[derive(Subcommand)]
enum MqttCommand {
    /// Print what the box publishes, a line for each message, until interrupted
    Watch(commands::mqtt::Args),
}

#[derive(Subcommand)]
enum LedsCommand {
    /// Play every pattern of the LED card with its name
    Demo(commands::leds::Args),
    /// Have them say that Pulsebox is not running; for after a crash, as its systemd unit does
    Off(commands::leds::Place),
    /// Have them say that the box is starting, until stopped
    Booting(commands::leds::Place),
}

fn main() -> ExitCode {
    pulsebox::allocator::tame();
    let cli = Cli::parse();
    match cli.command {
        Command::Run { config, data, appliance, run_folder } => {
            commands::run::run(&config, &data, appliance, &run_folder)
        }
        Command::Check(args) => commands::check::run(&args),
        Command::Cameras(args) => commands::cameras::run(&args),
        Command::Password { data } => commands::password::forget(&data),
        Command::Mqtt { command: MqttCommand::Watch(args) } => commands::mqtt::run(&args),
        Command::Leds { command: LedsCommand::Demo(args) } => commands::leds::demo(&args),
        Command::Leds { command: LedsCommand::Off(args) } => commands::leds::off(&args),
        Command::Leds { command: LedsCommand::Booting(args) } => commands::leds::booting(&args),
        Command::Button => commands::button::run(),
        Command::Config { command: ConfigCommand::Check { file } } => commands::config::check(&file),
        Command::Config { command: ConfigCommand::Import(args) } => commands::config::import(&args),
        Command::Config { command: ConfigCommand::Network(args) } => commands::config::network(&args),
    }
}
