//! The test service in a process of its own, to be killed.

fn main() -> std::process::ExitCode {
    service::Program::of::<faults::Victime>().main()
}
