//! The service cpam-cps in a process of its own.

fn main() -> std::process::ExitCode {
    cpam_cps::PROGRAM.main()
}
