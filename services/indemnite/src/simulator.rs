//! The people of a site: they read their mail and answer its link, sooner, later or never.
//!
//! Nothing of them runs by itself: the world that simulates them reads the mails of the simulated
//! SMTP server, asks [`reaction`] what a person would do, waits on the clock, and calls [`choix`].

use std::time::Duration;

use agency::{HttpClient, HttpSettings};
use contracts::EngagementId;
use kernel::{BoxError, Draw};
use reqwest::Method;

use crate::wire::Choix;

/// What the person who reads a mail will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// How long after the mail, in business time.
    pub apres: Duration,
    /// The answers, one after the other.
    pub choix: Vec<Choix>,
}

/// What a site does with the mail that asks about a day: `question` names it (the mail's
/// reference), `relance` is 0 for the first mail and 1, 2 for the reminders, `presences` is the
/// truth. Four in five answer the first mail, most of the others a reminder, a few never.
pub fn reaction(
    seed: u64,
    question: &str,
    relance: u32,
    presences: &[(EngagementId, bool)],
) -> Option<Reaction> {
    let choix = truth(presences);
    let draw = |what: &str| Draw::of(seed, &["attestation", question, what]);
    let answers_at = match draw("quand").below(100) {
        0..80 => 0,
        80..92 => 1,
        92..97 => 2,
        97.. => u32::MAX,
    };
    let minutes = draw("delai").between(20, 26 * 60);
    let apres = Duration::from_mins(minutes);
    (relance == answers_at).then_some(Reaction { apres, choix })
}

/// The answers that say the truth, in order: who was absent, one by one, then the others.
pub fn truth(presences: &[(EngagementId, bool)]) -> Vec<Choix> {
    let absent: Vec<_> = presences.iter().filter(|(_, present)| !present).collect();
    if absent.len() == presences.len() {
        return vec![Choix::Absents];
    }
    let each = absent.into_iter().map(|(engagement, _)| Choix::Absent(engagement.clone()));
    each.chain([Choix::Presents]).collect()
}

/// Answers a link as the page's form does.
///
/// # Errors
/// The link is not a URL, or the answer was not taken.
pub async fn choix(url: &str, choix: &str) -> Result<(), BoxError> {
    let settings =
        HttpSettings { base_url: url.to_owned(), timeout_ms: 10_000, max_body_bytes: 1 << 20 };
    let client = HttpClient::new(settings)?;
    let request = client.request(Method::POST, "").form(&[("choix", choix)]);
    client.send(request).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_says_the_truth_or_nothing_and_answers_at_most_once() {
        let (a, b): (EngagementId, EngagementId) =
            ("0aaaaaaaaa".parse().expect("id"), "0bbbbbbbbb".parse().expect("id"));
        assert_eq!(truth(&[(a.clone(), true), (b.clone(), true)]), [Choix::Presents]);
        assert_eq!(truth(&[(a.clone(), false)]), [Choix::Absents]);
        let mixed = [(a.clone(), true), (b.clone(), false)];
        assert_eq!(truth(&mixed), [Choix::Absent(b.clone()), Choix::Presents]);
        let mut answered = 0;
        for n in 0..500_u64 {
            let times = (0..3)
                .filter(|r| reaction(n, "ambert 2026-02-03", *r, &[(a.clone(), true)]).is_some())
                .count();
            assert!(times <= 1);
            answered += times;
        }
        assert!((450..500).contains(&answered), "{answered} of 500 sites answer");
    }
}
