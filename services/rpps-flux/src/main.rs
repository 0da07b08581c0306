//! The service rpps-flux alone, for the distributed way of running.

fn main() -> std::process::ExitCode {
    service::run_main::<rpps_flux::RppsFlux>()
}
