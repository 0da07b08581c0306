//! The agenda: slots, vacations, plannings.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{data, snapshot};
use crate::{
    ids::{EngagementId, LieuId, VacationId},
    messages::message,
    valeurs::{DemiJournee, Plage},
};

data! {
    /// The doctor's access to the agenda of the site.
    Agenda {
        /// The engagement.
        engagement: EngagementId,
        /// Where the doctor manages the slots.
        url: String,
    }
}
snapshot! {
    /// The agenda is open to the doctor.
    AgendaOuvert(Agenda)
}
message!(AgendaOuvert, "agenda.ouvert.v1", Evenements, None, |m| format!(
    "agenda/{}",
    m.0.engagement
));
snapshot! {
    /// The agenda is closed.
    AgendaFerme(Agenda)
}
message!(AgendaFerme, "agenda.ferme.v1", Evenements, None, |m| format!(
    "agenda/{}",
    m.0.engagement
));

data! {
    /// A day of consultation of an engagement.
    Vacation {
        /// Its id.
        vacation: VacationId,
        /// The engagement.
        engagement: EngagementId,
        /// The day, in Paris.
        date: NaiveDate,
        /// Its half-days, sorted, at most two.
        demi_journees: Vec<DemiJournee>,
        /// Honoured appointments; 0 while planned.
        rdv_honores: u32,
        /// The slots.
        creneaux: Vec<Plage>,
    }
}
snapshot! {
    /// Slots are open on that day.
    VacationPlanifiee(Vacation)
}
message!(VacationPlanifiee, "vacation.planifiee.v1", Evenements, None, |m| format!(
    "vacation/{}",
    m.0.vacation
));
snapshot! {
    /// The slots of that day were cancelled.
    VacationAnnulee(Vacation)
}
message!(VacationAnnulee, "vacation.annulee.v1", Evenements, None, |m| format!(
    "vacation/{}",
    m.0.vacation
));
snapshot! {
    /// The day is past and was not cancelled; says nothing of what is payable.
    VacationRealisee(Vacation)
}
message!(VacationRealisee, "vacation.realisee.v1", Evenements, None, |m| format!(
    "vacation/{}",
    m.0.vacation
));

data! {
    /// One vacation on a site's planning.
    VacationAuPlanning {
        /// Its id.
        vacation: VacationId,
        /// The doctor, as the site should read it: « Dr Prénom Nom ».
        medecin: String,
        /// The day.
        date: NaiveDate,
        /// The slots.
        creneaux: Vec<Plage>,
        /// Cancelled: stays on the planning so that calendars remove it.
        annulee: bool,
        /// Version of this entry, increasing (iCalendar SEQUENCE).
        version: u32,
        /// Slots of an earlier version that this one does not have any more, after its own: calendars
        /// remove them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        retires: Vec<Plage>,
    }
}

data! {
    /// The planning of a site; never a patient.
    PlanningPublie {
        /// The site.
        lieu: LieuId,
        /// First day.
        du: NaiveDate,
        /// Last day.
        au: NaiveDate,
        /// The vacations, by date.
        vacations: Vec<VacationAuPlanning>,
    }
}
message!(PlanningPublie, "planning.publie.v1", Evenements, None, |m| format!(
    "planning/{}",
    m.lieu
));
