//! The ds-intake service on its own.

fn main() -> std::process::ExitCode {
    service::run_main::<ds_intake::DsIntake>()
}
