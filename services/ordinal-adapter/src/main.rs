//! The service ordinal-adapter in a process of its own.

fn main() -> std::process::ExitCode {
    service::run_main::<ordinal_adapter::OrdinalAdapter>()
}
