//! The service rpps-flux alone, for the distributed way of running.

fn main() -> std::process::ExitCode {
    rpps_flux::PROGRAM.main()
}
