//! Who may do what, and who is believed: the rules that the broker's permissions enforce, written
//! once so that both transports enforce the same.

use contracts::{Agence, Flux};

use crate::{BusError, Origin, Publication, QueueSpec, Rejection};

/// Who a connection speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A service of Relais, by its name.
    Service(String),
    /// An agency: reads its own queue, writes only answers under its own keys.
    Agence(Agence),
}

impl Identity {
    /// The user's name on the broker: `cpam-cps`, `cpam-631`.
    pub fn user(&self) -> String {
        match self {
            Self::Service(name) => name.clone(),
            Self::Agence(agence) => agence.user(),
        }
    }

    /// Says whether the permissions of this identity let it publish this message.
    pub fn may_publish(&self, message: &Publication) -> bool {
        match self {
            Self::Service(_) => true,
            Self::Agence(agence) => {
                message.flux == Flux::Reponses && is_under(&message.routing_key, agence)
            }
        }
    }

    /// Refuses a queue that this identity may not read.
    pub(crate) fn check_consume(&self, queue: &QueueSpec) -> Result<(), BusError> {
        let Self::Agence(agence) = self else { return Ok(()) };
        let own = queue.name == agence.queue()
            && queue
                .bindings
                .iter()
                .all(|(flux, pattern)| *flux == Flux::Demandes && is_under(pattern, agence));
        if own {
            Ok(())
        } else {
            Err(BusError::Topology(format!(
                "{} may only read its own queue, {}",
                agence.user(),
                agence.queue()
            )))
        }
    }
}

/// The agency behind a user of the broker; a service's name is never one.
pub(crate) fn origin_of_user(user: Option<&str>) -> Origin {
    user.and_then(Agence::from_user).map_or(Origin::Relais, Origin::Agence)
}

/// Judges who published a message: an answer comes from an authenticated agency, under its own
/// keys, in its own name.
pub(crate) fn judge(
    flux: Flux,
    routing_key: &str,
    source: &str,
    origin: &Origin,
) -> Result<(), Rejection> {
    match (flux, origin) {
        (Flux::Reponses, Origin::Relais) => Err(Rejection {
            code: "agence-non-authentifiee",
            reason: "an answer whose publisher is not an authenticated agency".to_owned(),
        }),
        (Flux::Reponses, Origin::Agence(agence)) if !is_under(routing_key, agence) => {
            Err(Rejection {
                code: "agence-usurpee",
                reason: format!("{} published under the key of another agency", agence.user()),
            })
        }
        (Flux::Reponses, Origin::Agence(agence)) if source != agence.source() => Err(Rejection {
            code: "agence-usurpee",
            reason: format!("{} published in the name of another source", agence.user()),
        }),
        (Flux::Evenements | Flux::Demandes, Origin::Agence(agence)) => Err(Rejection {
            code: "agence-usurpee",
            reason: format!("{} published outside the answers", agence.user()),
        }),
        (Flux::Reponses, Origin::Agence(_))
        | (Flux::Evenements | Flux::Demandes, Origin::Relais) => Ok(()),
    }
}

/// Says whether a key, or a pattern, begins with `<famille>.<code>.`, the last dot included.
fn is_under(key: &str, agence: &Agence) -> bool {
    key.strip_prefix(&agence.to_string()).is_some_and(|rest| rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agence(text: &str) -> Agence {
        text.parse().expect("an agency")
    }

    #[test]
    fn an_answer_needs_the_right_agency_three_times() {
        let cpam = Origin::Agence(agence("cpam.631"));
        let key = "cpam.631.numero-am-cree.v1";
        let code = |key: &str, source: &str, origin: &Origin| {
            judge(Flux::Reponses, key, source, origin).map_err(|r| r.code)
        };
        assert_eq!(code(key, "/agences/cpam-631", &cpam), Ok(()));
        assert_eq!(code(key, "/agences/cpam-631", &Origin::Relais), Err("agence-non-authentifiee"));
        assert_eq!(code(key, "/agences/cpam-632", &cpam), Err("agence-usurpee"));
        assert_eq!(code("cpam.632.x.v1", "/agences/cpam-631", &cpam), Err("agence-usurpee"));
        assert_eq!(code("cpam.6310.x.v1", "/agences/cpam-631", &cpam), Err("agence-usurpee"));
    }

    #[test]
    fn a_service_name_is_never_an_agency() {
        assert_eq!(origin_of_user(Some("cpam-cps")), Origin::Relais);
        assert_eq!(origin_of_user(Some("guest")), Origin::Relais);
        assert_eq!(origin_of_user(None), Origin::Relais);
        assert_eq!(origin_of_user(Some("cdom-2A")), Origin::Agence(agence("cdom.2A")));
    }

    #[test]
    fn an_agency_reads_its_own_queue_only() {
        let own = QueueSpec::agence(&agence("cpam.631"));
        let identity = Identity::Agence(agence("cpam.631"));
        assert!(identity.check_consume(&own).is_ok());
        let stolen = QueueSpec::agence(&agence("cpam.632"));
        assert!(identity.check_consume(&stolen).is_err());
        let wide = QueueSpec { bindings: vec![(Flux::Demandes, "cpam.*.#".into())], ..own.clone() };
        assert!(identity.check_consume(&wide).is_err());
        let facts = QueueSpec { bindings: vec![(Flux::Evenements, "cpam.631.#".into())], ..own };
        assert!(identity.check_consume(&facts).is_err());
    }
}
