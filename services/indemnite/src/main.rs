//! The service indemnite in a process of its own.

fn main() -> std::process::ExitCode {
    indemnite::PROGRAM.main()
}
