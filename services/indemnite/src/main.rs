//! The service indemnite in a process of its own.

fn main() -> std::process::ExitCode {
    service::run_main::<indemnite::Indemnite>()
}
