//! The service ordinal-adapter in a process of its own.

fn main() -> std::process::ExitCode {
    ordinal_adapter::PROGRAM.main()
}
