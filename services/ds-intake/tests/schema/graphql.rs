//! As much of GraphQL as is needed to say whether a document is valid against a schema
//! (specification of October 2021, section 5): no introspection, no values but names and numbers.

use std::collections::{BTreeMap, BTreeSet};

use crate::mots::Mots;

/// A type of the schema.
#[derive(Default)]
struct Genre {
    champs: BTreeMap<String, Champ>,
    interfaces: Vec<String>,
    membres: Vec<String>,
}

/// A field: its arguments, each with its type and whether it may be left out; its own type.
struct Champ {
    arguments: BTreeMap<String, (String, bool)>,
    retour: String,
}

/// A schema.
pub(crate) struct Schema(BTreeMap<String, Genre>);

/// The name of a type without its lists and `!`.
fn nom(genre: &str) -> &str {
    genre.trim_matches(|c| matches!(c, '[' | ']' | '!'))
}

impl Schema {
    /// Reads a schema.
    pub(crate) fn lire(text: &str) -> Self {
        let mut m = Mots::new(text);
        let mut genres = BTreeMap::new();
        while !m.voir().is_empty() {
            let kind = m.prendre();
            match kind.as_str() {
                "type" | "interface" | "input" => {
                    let name = m.prendre();
                    genres.insert(name, objet(&mut m));
                }
                "enum" => {
                    let name = m.prendre();
                    m.directives();
                    while !m.si("}") {
                        m.prendre();
                    }
                    genres.insert(name, Genre::default());
                }
                "scalar" => {
                    genres.insert(m.prendre(), Genre::default());
                    m.directives();
                }
                "union" => {
                    let name = m.prendre();
                    m.attendre("=");
                    let mut membres = Vec::new();
                    m.si("|");
                    membres.push(m.prendre());
                    while m.si("|") {
                        membres.push(m.prendre());
                    }
                    genres.insert(name, Genre { membres, ..Genre::default() });
                }
                // `schema { … }`, `directive @…`: up to the next definition.
                _ => {
                    while !matches!(
                        m.voir(),
                        "" | "type" | "interface" | "input" | "enum" | "scalar" | "union"
                    ) {
                        m.prendre();
                    }
                }
            }
        }
        for scalar in ["Int", "Float", "String", "Boolean", "ID"] {
            genres.entry(scalar.to_owned()).or_default();
        }
        Self(genres)
    }

    fn est_compose(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|g| !g.champs.is_empty() || !g.membres.is_empty())
    }

    /// The object types that a value of this type may have.
    fn possibles(&self, name: &str) -> BTreeSet<&str> {
        let of = |g: &(&String, &Genre)| g.0 == name || g.1.interfaces.iter().any(|i| i == name);
        let members = self.0.get(name).map(|g| g.membres.iter().map(String::as_str));
        let objects = self.0.iter().filter(of).map(|(n, _)| n.as_str());
        objects.chain(members.into_iter().flatten()).collect()
    }
}

fn objet(m: &mut Mots) -> Genre {
    let mut genre = Genre::default();
    if m.si("implements") {
        m.si("&");
        genre.interfaces.push(m.prendre());
        while m.si("&") {
            genre.interfaces.push(m.prendre());
        }
    }
    m.directives();
    m.attendre("{");
    while !m.si("}") {
        let name = m.prendre();
        let mut arguments = BTreeMap::new();
        if m.si("(") {
            while !m.si(")") {
                let argument = m.prendre();
                m.attendre(":");
                let wanted = m.genre();
                let optional = m.defaut() || !wanted.ends_with('!');
                m.directives();
                arguments.insert(argument, (wanted, optional));
            }
        }
        m.attendre(":");
        let retour = m.genre();
        m.defaut();
        m.directives();
        genre.champs.insert(name, Champ { arguments, retour });
    }
    genre
}

/// What a selection asks for.
enum Choix {
    Champ {
        reponse: String,
        nom: String,
        arguments: Vec<(String, Option<String>)>,
        suite: Vec<Choix>,
    },
    Fragment(String),
    Sur(String, Vec<Choix>),
}

fn choix(m: &mut Mots, variables: &mut Vec<String>) -> Vec<Choix> {
    let mut all = Vec::new();
    while !m.si("}") {
        if m.si("...") {
            if m.si("on") {
                let genre = m.prendre();
                m.attendre("{");
                all.push(Choix::Sur(genre, choix(m, variables)));
            } else {
                all.push(Choix::Fragment(m.prendre()));
            }
            continue;
        }
        let first = m.prendre();
        let (reponse, nom) = if m.si(":") { (first, m.prendre()) } else { (first.clone(), first) };
        let mut arguments = Vec::new();
        if m.si("(") {
            while !m.si(")") {
                let name = m.prendre();
                m.attendre(":");
                arguments.push((name, m.valeur()));
            }
        }
        while m.voir().starts_with('@') {
            m.prendre();
            m.attendre("(");
            while !m.si(")") {
                let mot = m.prendre();
                variables.extend(mot.starts_with('$').then_some(mot));
            }
        }
        let suite = if m.si("{") { choix(m, variables) } else { Vec::new() };
        all.push(Choix::Champ { reponse, nom, arguments, suite });
    }
    all
}

/// Everything that is wrong with a document; empty when it is valid.
pub(crate) fn valider(schema: &Schema, text: &str) -> Vec<String> {
    let mut m = Mots::new(text);
    let mut v = Validation {
        schema,
        fragments: BTreeMap::new(),
        variables: BTreeMap::new(),
        fautes: Vec::new(),
    };
    let mut racine = None;
    let mut used = Vec::new();
    while !m.voir().is_empty() {
        match m.prendre().as_str() {
            "fragment" => {
                let name = m.prendre();
                m.attendre("on");
                let genre = m.prendre();
                m.attendre("{");
                let suite = choix(&mut m, &mut used);
                v.fragments.insert(name, (genre, suite));
            }
            operation => {
                m.prendre();
                if m.si("(") {
                    while !m.si(")") {
                        let name = m.prendre();
                        m.attendre(":");
                        let genre = m.genre();
                        m.defaut();
                        v.variables.insert(name, genre);
                    }
                }
                m.attendre("{");
                let root = if operation == "query" { "Query" } else { "Mutation" };
                racine = Some((root, choix(&mut m, &mut used)));
            }
        }
    }
    let (root, selection) = racine.expect("an operation");
    let unknown = used.iter().filter(|name| !v.variables.contains_key(*name));
    let unknown: Vec<_> = unknown.map(|name| format!("{name} is not declared")).collect();
    v.fautes.extend(unknown);
    let fragments = std::mem::take(&mut v.fragments);
    v.selection(root, &[(root.to_owned(), selection.as_slice())], &fragments);
    v.fautes
}

/// The name of a type, and what is asked of its values.
type Partie<'c> = (String, &'c [Choix]);
type Fragments = BTreeMap<String, (String, Vec<Choix>)>;

struct Validation<'a> {
    schema: &'a Schema,
    fragments: Fragments,
    variables: BTreeMap<String, String>,
    fautes: Vec<String>,
}

impl Validation<'_> {
    /// What all these selections of one value ask for, together.
    fn selection<'c>(&mut self, chemin: &str, parts: &[Partie<'c>], fragments: &'c Fragments) {
        let mut keys: BTreeMap<&str, (String, Vec<Partie<'c>>)> = BTreeMap::new();
        let mut todo = parts.to_vec();
        while let Some((parent, all)) = todo.pop() {
            for one in all {
                match one {
                    Choix::Fragment(name) => match fragments.get(name) {
                        Some((genre, suite)) if self.compatible(&parent, genre) => {
                            todo.push((genre.clone(), suite));
                        }
                        Some((genre, _)) => self.faute(chemin, &format!("never {genre}")),
                        None => self.faute(chemin, &format!("no fragment {name}")),
                    },
                    Choix::Sur(genre, suite) => {
                        if self.compatible(&parent, genre) {
                            todo.push((genre.clone(), suite));
                        } else {
                            self.faute(chemin, &format!("never {genre}"));
                        }
                    }
                    Choix::Champ { nom, .. } if nom == "__typename" => {}
                    Choix::Champ { reponse, nom: name, arguments, suite } => {
                        let Some(retour) = self.champ(chemin, &parent, name, arguments) else {
                            continue;
                        };
                        let composite = self.schema.est_compose(nom(&retour));
                        if composite == suite.is_empty() {
                            self.faute(chemin, &format!("{name}: fields of {retour}"));
                        }
                        let entry = keys.entry(reponse).or_insert((retour.clone(), Vec::new()));
                        if !composite && entry.0 != retour {
                            let texte = format!("{reponse} is {} and {retour}", entry.0);
                            self.fautes.push(format!("{chemin}: {texte}"));
                        }
                        entry.1.push((nom(&retour).to_owned(), suite));
                    }
                }
            }
        }
        for (key, (_, parts)) in keys {
            if parts.iter().any(|(_, suite)| !suite.is_empty()) {
                self.selection(&format!("{chemin}.{key}"), &parts, fragments);
            }
        }
    }

    fn compatible(&self, parent: &str, genre: &str) -> bool {
        let (a, b) = (self.schema.possibles(parent), self.schema.possibles(genre));
        !a.is_disjoint(&b)
    }

    fn champ(
        &mut self,
        chemin: &str,
        parent: &str,
        name: &str,
        arguments: &[(String, Option<String>)],
    ) -> Option<String> {
        let Some(champ) = self.schema.0.get(parent).and_then(|g| g.champs.get(name)) else {
            self.faute(chemin, &format!("{parent} has no {name}"));
            return None;
        };
        for (argument, variable) in arguments {
            let Some((wanted, optional)) = champ.arguments.get(argument) else {
                self.faute(chemin, &format!("{name} has no argument {argument}"));
                continue;
            };
            let Some(variable) = variable else { continue };
            let given = self.variables.get(variable).map(String::as_str).unwrap_or_default();
            let fits = given == wanted
                || given.strip_suffix('!') == Some(wanted)
                || (*optional && wanted.strip_suffix('!') == Some(given));
            if !fits {
                self.faute(chemin, &format!("{variable}: {given:?} for {wanted}"));
            }
        }
        for (argument, (wanted, optional)) in &champ.arguments {
            if !optional && !arguments.iter().any(|(given, _)| given == argument) {
                self.faute(chemin, &format!("{name} needs {argument}: {wanted}"));
            }
        }
        Some(champ.retour.clone())
    }

    fn faute(&mut self, chemin: &str, texte: &str) {
        self.fautes.push(format!("{chemin}: {texte}"));
    }
}
