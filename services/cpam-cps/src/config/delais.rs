//! The delays that apply to one CPAM: the general ones, but for those that are its own.

use serde::Deserialize;

use super::Config;

/// Delays and reminders of one CPAM, table `[cpam-cps.par_cpam.<code>]`; what is absent is general.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Propres {
    /// See [`Config::attente_rpps_jours`].
    pub attente_rpps_jours: Option<u32>,
    /// See [`Config::relances_jours`].
    pub relances_jours: Option<Vec<u32>>,
    /// See [`Config::escalade_jours`].
    pub escalade_jours: Option<u32>,
    /// See [`Config::nouvelle_escalade_jours`].
    pub nouvelle_escalade_jours: Option<u32>,
    /// See [`Config::relance_rib_jours`].
    pub relance_rib_jours: Option<u32>,
    /// See [`Config::escalade_rib_relances`].
    pub escalade_rib_relances: Option<u32>,
    /// See [`Config::carte_attendue_jours`].
    pub carte_attendue_jours: Option<u32>,
    /// See [`Config::relance_carte_jours`].
    pub relance_carte_jours: Option<u32>,
}

/// The delays that apply; each field is the one of [`Config`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delais<'a> {
    /// Days.
    pub attente_rpps_jours: u32,
    /// Days after the request.
    pub relances_jours: &'a [u32],
    /// Days after the request.
    pub escalade_jours: u32,
    /// Days.
    pub nouvelle_escalade_jours: u32,
    /// Days.
    pub relance_rib_jours: u32,
    /// Reminders.
    pub escalade_rib_relances: u32,
    /// Days after the number.
    pub carte_attendue_jours: u32,
    /// Days.
    pub relance_carte_jours: u32,
}

impl<'a> Delais<'a> {
    /// The general ones, but for those of `propres`.
    pub(super) fn new(config: &'a Config, propres: Option<&'a Propres>) -> Self {
        let own =
            |pick: fn(&Propres) -> Option<u32>, general| propres.and_then(pick).unwrap_or(general);
        let relances = propres.and_then(|p| p.relances_jours.as_deref());
        Self {
            attente_rpps_jours: own(|p| p.attente_rpps_jours, config.attente_rpps_jours),
            relances_jours: relances.unwrap_or(&config.relances_jours),
            escalade_jours: own(|p| p.escalade_jours, config.escalade_jours),
            nouvelle_escalade_jours: own(
                |p| p.nouvelle_escalade_jours,
                config.nouvelle_escalade_jours,
            ),
            relance_rib_jours: own(|p| p.relance_rib_jours, config.relance_rib_jours),
            escalade_rib_relances: own(|p| p.escalade_rib_relances, config.escalade_rib_relances),
            carte_attendue_jours: own(|p| p.carte_attendue_jours, config.carte_attendue_jours),
            relance_carte_jours: own(|p| p.relance_carte_jours, config.relance_carte_jours),
        }
    }

    /// Checks what the types cannot say.
    pub(super) fn check(&self) -> Result<(), String> {
        let steps: Vec<u32> =
            self.relances_jours.iter().copied().chain([self.escalade_jours]).collect();
        if steps.first() == Some(&0) || steps.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err("relances_jours puis escalade_jours doivent croître à partir de 1".into());
        }
        let periods = [
            ("nouvelle_escalade_jours", self.nouvelle_escalade_jours),
            ("relance_rib_jours", self.relance_rib_jours),
            ("relance_carte_jours", self.relance_carte_jours),
        ];
        match periods.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(format!("{name} vaut au moins 1")),
            None => Ok(()),
        }
    }
}
