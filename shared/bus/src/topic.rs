//! Topic patterns, as AMQP 0.9.1 defines them: words separated by dots, `*` stands for one word,
//! `#` for any number of words, none included.

/// Says whether a routing key matches a binding's pattern.
pub fn topic_matches(pattern: &str, key: &str) -> bool {
    if !pattern.contains(['*', '#']) {
        return pattern == key;
    }
    let pattern: Vec<&str> = pattern.split('.').collect();
    let key: Vec<&str> = key.split('.').collect();
    words_match(&pattern, &key)
}

fn words_match(pattern: &[&str], key: &[&str]) -> bool {
    match pattern.split_first() {
        None => key.is_empty(),
        Some((&"#", rest)) => (0..=key.len()).any(|skipped| words_match(rest, &key[skipped..])),
        Some((&word, rest)) => key.split_first().is_some_and(|(first, others)| {
            (word == "*" || word == *first) && words_match(rest, others)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_amqp_says() {
        let table = [
            ("activite.autorisee.v1", "activite.autorisee.v1", true),
            ("activite.autorisee.v1", "activite.autorisee.v2", false),
            ("activite.*.v1", "activite.autorisee.v1", true),
            ("activite.*.v1", "activite.v1", false),
            ("cpam.*.numero-am-cree.v1", "cpam.631.numero-am-cree.v1", true),
            ("cpam.*.numero-am-cree.v1", "cdom.63.numero-am-cree.v1", false),
            ("cpam.631.#", "cpam.631.numero-am-demande.v1", true),
            ("cpam.631.#", "cpam.631", true),
            ("cpam.631.#", "cpam.6310.numero-am-demande.v1", false),
            ("#", "whatever.it.is", true),
            ("#.v1", "a.b.v1", true),
            ("#.v1", "a.b.v2", false),
            ("*", "a.b", false),
            ("#.b.#", "a.b.c", true),
            ("#.b.#", "a.c", false),
        ];
        for (pattern, key, expected) in table {
            assert_eq!(topic_matches(pattern, key), expected, "{pattern} on {key}");
        }
    }
}
