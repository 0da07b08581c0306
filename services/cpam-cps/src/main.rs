//! The service cpam-cps in a process of its own.

fn main() -> std::process::ExitCode {
    service::run_main::<cpam_cps::CpamCps>()
}
