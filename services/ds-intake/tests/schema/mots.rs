//! The words and signs of a GraphQL text.

/// A reader of words and signs.
pub(crate) struct Mots {
    mots: Vec<String>,
    rang: usize,
}

impl Mots {
    pub(crate) fn new(text: &str) -> Self {
        let mut mots = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let taken = if let Some(block) = rest.strip_prefix("\"\"\"") {
                6 + block.find("\"\"\"").expect("a closed description")
            } else if c == '"' {
                2 + rest[1..].find('"').expect("a closed string")
            } else if c == '#' {
                rest.find('\n').unwrap_or(rest.len())
            } else if c.is_whitespace() || c == ',' {
                c.len_utf8()
            } else if rest.starts_with("...") {
                mots.push("...".to_owned());
                3
            } else if c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '@' | '-') {
                let word = |c: char| !c.is_ascii_alphanumeric() && c != '_';
                let end = rest[1..].find(word).map_or(rest.len(), |at| at + 1);
                mots.push(rest[..end].to_owned());
                end
            } else {
                mots.push(c.to_string());
                c.len_utf8()
            };
            rest = &rest[taken..];
        }
        Self { mots, rang: 0 }
    }

    pub(crate) fn voir(&self) -> &str {
        self.mots.get(self.rang).map_or("", String::as_str)
    }

    pub(crate) fn prendre(&mut self) -> String {
        let mot = self.voir().to_owned();
        assert!(!mot.is_empty(), "the text ends too early");
        self.rang += 1;
        mot
    }

    pub(crate) fn si(&mut self, mot: &str) -> bool {
        let found = self.voir() == mot;
        self.rang += usize::from(found);
        found
    }

    pub(crate) fn attendre(&mut self, mot: &str) {
        let found = self.prendre();
        assert_eq!(found, mot);
    }

    /// A type, as one word: `[Champ!]!`.
    pub(crate) fn genre(&mut self) -> String {
        let mut genre = if self.si("[") {
            let inside = self.genre();
            self.attendre("]");
            format!("[{inside}]")
        } else {
            self.prendre()
        };
        if self.si("!") {
            genre.push('!');
        }
        genre
    }

    /// `= value`; true when there is one.
    pub(crate) fn defaut(&mut self) -> bool {
        self.si("=") && {
            self.valeur();
            true
        }
    }

    /// A value, left out; the variable that it is.
    pub(crate) fn valeur(&mut self) -> Option<String> {
        let mot = self.prendre();
        if mot == "[" || mot == "{" {
            let end = if mot == "[" { "]" } else { "}" };
            while !self.si(end) {
                self.prendre();
            }
        }
        mot.starts_with('$').then_some(mot)
    }

    /// Directives of a schema: nothing depends on them.
    pub(crate) fn directives(&mut self) {
        while self.voir().starts_with('@') {
            self.prendre();
            if self.si("(") {
                while !self.si(")") {
                    self.prendre();
                }
            }
        }
    }
}
