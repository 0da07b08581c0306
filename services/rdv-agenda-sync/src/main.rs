//! `rdv-agenda-sync`: opens agendas on RDV Service Public and follows them.

fn main() -> std::process::ExitCode {
    rdv_agenda_sync::PROGRAM.main()
}
