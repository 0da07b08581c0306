//! Who may act on a service: bearer tokens, and the name behind each.

use std::collections::BTreeMap;

use kernel::Secret;

/// Shortest token that a configuration may give, in bytes.
const SHORTEST: usize = 16;
/// Name under which those who share the unnamed token act, unless they say who they are.
const SHARED: &str = "operateur";

/// The operators of a service. Without any, every action is refused.
#[derive(Clone, Debug, Default)]
pub struct Operators {
    /// A token that several people share.
    shared: Option<Secret>,
    /// Each person's own.
    named: BTreeMap<String, Secret>,
}

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    /// Somebody whom the token names.
    Named(String),
    /// Somebody who holds the shared token.
    Shared,
}

impl Operators {
    /// Nobody in particular: whoever holds `token`.
    #[must_use]
    pub fn shared(token: Secret) -> Self {
        Self { shared: Some(token), named: BTreeMap::new() }
    }

    /// From a configuration: a shared token, and the token of each person.
    ///
    /// # Errors
    /// One sentence per problem: a token that is too short, given twice, or of a nameless person.
    pub fn new(shared: Option<Secret>, named: BTreeMap<String, Secret>) -> Result<Self, String> {
        let mut problems = Vec::new();
        let all = shared.iter().map(|token| ("operator_token".to_owned(), token));
        let all = all.chain(named.iter().map(|(n, token)| (format!("operator_tokens.{n}"), token)));
        let mut seen: Vec<(String, &Secret)> = Vec::new();
        for (key, token) in all {
            if token.expose().len() < SHORTEST {
                problems.push(format!("{key} : au moins {SHORTEST} caractères sont exigés"));
            } else if let Some((other, _)) = seen.iter().find(|(_, t)| t.same(token.expose())) {
                problems.push(format!("{key} : le même jeton que {other}"));
            }
            seen.push((key, token));
        }
        if named.keys().any(|name| name.trim().is_empty()) {
            problems.push("operator_tokens : un nom est vide".to_owned());
        }
        if problems.is_empty() { Ok(Self { shared, named }) } else { Err(problems.join("\n")) }
    }

    /// Whether anybody may act.
    pub(crate) fn any(&self) -> bool {
        self.shared.is_some() || !self.named.is_empty()
    }

    /// Who `given` is the token of. Every token is compared, each in constant time.
    pub(crate) fn who(&self, given: &str) -> Option<Operator> {
        let mut found = None;
        for (name, token) in &self.named {
            if token.same(given) {
                found = Some(Operator::Named(name.clone()));
            }
        }
        if self.shared.as_ref().is_some_and(|token| token.same(given)) {
            found = found.or(Some(Operator::Shared));
        }
        found
    }
}

impl Operator {
    /// The name under which the action is taken; `said` counts only where the token names nobody.
    pub(crate) fn name(&self, said: &str) -> String {
        match self {
            Self::Named(name) => name.clone(),
            Self::Shared if said.trim().is_empty() => SHARED.to_owned(),
            Self::Shared => said.trim().to_owned(),
        }
    }

    /// The same for the journal, which tells a proven name from a claimed one.
    pub(crate) fn journal_name(&self, said: &str) -> String {
        match self {
            Self::Named(name) => name.clone(),
            Self::Shared if said.trim().is_empty() => SHARED.to_owned(),
            Self::Shared => format!("{SHARED} (dit être {})", said.trim()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
        pairs.iter().map(|(name, token)| ((*name).to_owned(), Secret::new(*token))).collect()
    }

    #[test]
    fn a_token_gives_its_name() {
        let tokens = named(&[("a.martin", "jeton-de-martin-1"), ("b.durand", "jeton-de-durand-2")]);
        let shared = Some(Secret::new("jeton-partage-123"));
        let operators = Operators::new(shared, tokens).expect("valid");
        let who =
            |token| operators.who(token).map(|o| (o.name("c.petit"), o.journal_name("c.petit")));
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(who("jeton-de-durand-2"), pair("b.durand", "b.durand"));
        assert_eq!(who("jeton-partage-123"), pair("c.petit", "operateur (dit être c.petit)"));
        assert_eq!(
            operators.who("jeton-partage-123").map(|o| o.name(" ")),
            Some("operateur".to_owned())
        );
        for wrong in ["", "jeton-de-durand-", "jeton-de-durand-22", "b.durand"] {
            assert_eq!(who(wrong), None, "{wrong}");
        }
        assert!(!Operators::default().any());
        assert_eq!(Operators::default().who(""), None);
    }

    #[test]
    fn a_weak_configuration_is_refused_without_its_tokens() {
        let tokens =
            named(&[("a", "jeton-de-martin-1"), ("b", "jeton-de-martin-1"), ("c", "court")]);
        let text = Operators::new(Some(Secret::new("")), tokens).expect_err("refused");
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "operator_token : au moins 16 caractères sont exigés",
                "operator_tokens.b : le même jeton que operator_tokens.a",
                "operator_tokens.c : au moins 16 caractères sont exigés",
            ]
        );
        assert!(!text.contains("court"));
    }
}
