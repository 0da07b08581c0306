//! Deliberate defects of the engine: each breaks one guarantee of the frame, and the simulation has
//! to notice. That is how it is known that the simulation is able to fail.

/// A defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Nothing is remembered in the inbox: what is delivered twice is decided twice.
    SansInbox,
    /// Sequences are not compared: an old snapshot undoes a newer one.
    SansSequence,
    /// Messages are acknowledged before the commit.
    AcquitteAvant,
    /// A crash after the commit loses what the decision wanted to do.
    EffetsPerdus,
    /// The inbox mark is committed before the decision, not with it.
    MarqueSeule,
    /// An ask whose answer was decided is not forgotten.
    DemandeRefaite,
    /// An outbox row goes before the broker has confirmed.
    OublieAvantConfirmation,
    /// What became due while the service was down is dropped.
    ReveilsOublies,
    /// Who was slow settles under a lease that somebody else holds.
    SansBail,
}

impl Sabotage {
    /// Every defect.
    pub const TOUS: [Self; 9] = [
        Self::SansInbox,
        Self::SansSequence,
        Self::AcquitteAvant,
        Self::EffetsPerdus,
        Self::MarqueSeule,
        Self::DemandeRefaite,
        Self::OublieAvantConfirmation,
        Self::ReveilsOublies,
        Self::SansBail,
    ];
}
