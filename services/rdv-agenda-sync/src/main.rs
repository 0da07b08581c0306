//! `rdv-agenda-sync`: opens agendas on RDV Service Public and follows them.

fn main() -> std::process::ExitCode {
    service::run_main::<rdv_agenda_sync::RdvAgendaSync>()
}
