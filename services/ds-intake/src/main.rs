//! The ds-intake service on its own.

fn main() -> std::process::ExitCode {
    ds_intake::PROGRAM.main()
}
