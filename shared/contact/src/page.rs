//! The pages behind an answer link: no script, no external resource, readable by everybody.

use askama::Template;

use crate::{Champ, Question};

/// Headers that go with every page: nothing is loaded, kept, indexed, framed or told to others
/// (the address itself is the right to answer).
pub const EN_TETES: [(&str, &str); 6] = [
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-robots-tag", "noindex, nofollow"),
];

#[derive(Template)]
#[template(path = "page/question.html")]
struct PageQuestion<'a> {
    titre: &'a str,
    texte: &'a [String],
    choix: &'a [(String, String)],
    champs: &'a [Champ],
    token: &'a str,
}

#[derive(Template)]
#[template(path = "page/message.html")]
struct PageMessage<'a> {
    titre: &'a str,
    texte: &'a str,
}

/// The page of a question: a form that posts `choix` (one of the question's codes) and the fields
/// to `/r/{token}`; without choices, only its text.
pub fn page_question(question: &Question, token: &str) -> String {
    let Question { titre, texte, choix, champs } = question;
    rendered(&PageQuestion { titre, texte, choix, champs, token })
}

/// The page that thanks for an answer.
pub fn page_merci() -> String {
    let texte = "Votre réponse est enregistrée. Vous pouvez fermer cette page.";
    rendered(&PageMessage { titre: "Merci", texte })
}

/// The page that says what is wrong.
pub fn page_erreur(titre: &str, texte: &str) -> String {
    rendered(&PageMessage { titre, texte })
}

fn rendered(page: &impl Template) -> String {
    page.render().expect("a page without failing filters renders into a String")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question {
        Question {
            titre: "Présence du 2 mars <2026>".to_owned(),
            texte: vec!["Dossier 1042.".to_owned(), "Deux médecins & un lieu.".to_owned()],
            choix: vec![
                ("presents".to_owned(), "Toutes les vacations ont eu lieu".to_owned()),
                ("absent:e\"1".to_owned(), "Le médecin était absent".to_owned()),
            ],
            champs: vec![Champ {
                nom: "numero_am".to_owned(),
                libelle: "Numéro".to_owned(),
                aide: "9 chiffres, s'il est créé".to_owned(),
                longueur_max: 20,
            }],
        }
    }

    #[test]
    fn a_question_is_an_accessible_form_without_script() {
        let page = page_question(&question(), "abc.def");
        for needle in [
            "<html lang=\"fr\">",
            "<meta name=\"robots\" content=\"noindex, nofollow\">",
            "<form method=\"post\" action=\"abc.def\">",
            "Présence du 2 mars &#60;2026&#62;",
            "Deux médecins &#38; un lieu.",
            "value=\"presents\"",
            "value=\"absent:e&#34;1\"",
            "<legend>",
            "for=\"choix-1\"",
            "id=\"choix-1\"",
            "<label for=\"champ-1\">Numéro</label>",
            "id=\"champ-1\" name=\"numero_am\" maxlength=\"20\" aria-describedby=\"aide-1\"",
            "<span id=\"aide-1\">9 chiffres, s&#39;il est créé</span>",
            "<button type=\"submit\">",
        ] {
            assert!(page.contains(needle), "{needle} is missing in {page}");
        }
        for needle in ["<script", "http://", "https://", "{{", "{%", "<img", "<link"] {
            assert!(!page.contains(needle), "{needle} is in {page}");
        }
    }

    #[test]
    fn a_closed_question_has_no_form() {
        let closed = Question { choix: Vec::new(), ..question() };
        let page = page_question(&closed, "abc.def");
        assert!(page.contains("Dossier 1042.") && !page.contains("<form"));
    }

    #[test]
    fn messages_say_what_they_must() {
        assert!(page_merci().contains("<h1>Merci</h1>"));
        let page = page_erreur("Lien expiré", crate::LienError::Expired.texte());
        assert!(page.contains("<h1>Lien expiré</h1>") && page.contains("n’est plus valable"));
    }
}
