//! What the source files themselves keep to.

use std::collections::BTreeSet;

use crate::workspace::Source;

/// The modules that every service has, flat in `src/`; a folder may stand beside or instead of
/// each file. If you know one service, you know six.
const MODULES: [&str; 8] =
    ["main", "lib", "config", "state", "decide", "agency", "wire", "simulator"];

/// `main.rs` of a service only hands over to the frame.
const LONGEST_MAIN: usize = 15;

/// The longest file, in lines.
pub const LONGEST_FILE: usize = 400;

/// What a decision must not contain: it is synchronous and total, its time is in the context, and
/// it draws nothing.
const IMPURE: [&str; 14] = [
    ".await",
    "async ",
    "Utc::now",
    "Local::now",
    "SystemTime",
    "Instant::now",
    "Clock::",
    "rand::",
    "thread_rng",
    "Uuid::new_v4",
    "std::fs",
    "std::env",
    "tokio::",
    "reqwest::",
];

/// What is missing from, or unexplained in, a service's `src/`, one line each.
pub fn wrong_files(service: &str, sources: &[Source], readme: &str) -> Vec<String> {
    let modules: BTreeSet<_> = sources
        .iter()
        .filter_map(|source| source.path.strip_prefix("src/"))
        .map(|path| path.split('/').next().unwrap_or(path).trim_end_matches(".rs"))
        .collect();
    let missing = MODULES.iter().filter(|module| !modules.contains(*module)).map(|module| {
        format!(
            "services/{service}/src has no `{module}`: every service has {}",
            MODULES.join(", ")
        )
    });
    let lib = sources.iter().find(|source| source.path == "src/lib.rs");
    let for_tests = lib.map(|lib| test_modules(&lib.text)).unwrap_or_default();
    let unexplained = modules
        .iter()
        .filter(|module| !MODULES.contains(module) && !for_tests.contains(*module))
        .filter(|module| !readme.contains(&format!("`{module}")))
        .map(|module| {
            format!(
                "services/{service}/src has a module `{module}` of its own: its README gives the \
                 reason, with the name between backquotes"
            )
        });
    let main = sources.iter().find(|source| source.path == "src/main.rs");
    let long = main
        .filter(|main| main.text.lines().count() > LONGEST_MAIN)
        .map(|_| format!("services/{service}/src/main.rs has more than {LONGEST_MAIN} lines"));
    missing.chain(unexplained).chain(long).collect()
}

/// The modules that a `lib.rs` declares for tests only.
fn test_modules(lib: &str) -> BTreeSet<&str> {
    let pairs = lib.lines().zip(lib.lines().skip(1));
    pairs
        .filter(|(attribute, _)| attribute.trim() == "#[cfg(test)]")
        .filter_map(|(_, line)| line.trim().strip_suffix(';')?.split_once("mod "))
        .map(|(_, module)| module)
        .collect()
}

/// Impure words in a service's decisions and states, one line each. Comments may say them.
pub fn impure_decisions(service: &str, sources: &[Source]) -> Vec<String> {
    let pure = |source: &&Source| {
        let path = source.path.strip_prefix("src/").unwrap_or_default();
        ["decide.rs", "state.rs"].contains(&path)
            || ["decide/", "state/"].iter().any(|folder| path.starts_with(folder))
    };
    let mut wrong = Vec::new();
    for source in sources.iter().filter(pure) {
        for (index, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in IMPURE.iter().filter(|word| code.contains(**word)) {
                let at = format!("services/{service}/{}:{}", source.path, index + 1);
                wrong.push(format!("{at}: `{}` in a decision, which is pure", word.trim()));
            }
        }
    }
    wrong
}

/// Stages that a service's README does not name between backquotes, one line each; none when the
/// service counts nothing.
pub fn unnamed_stages(service: &str, sources: &[Source], readme: &str) -> Vec<String> {
    let file = sources.iter().find(|source| source.path == "src/state/etapes.rs");
    let stages = file.map(|file| stages(&file.text)).unwrap_or_default();
    let missing = |stage: &&str| !readme.contains(&format!("`{stage}`"));
    let line = |stage| format!("services/{service}: its README does not list the stage `{stage}`");
    stages.into_iter().filter(missing).map(line).collect()
}

/// The stages that a `state/etapes.rs` names.
pub fn stages(text: &str) -> BTreeSet<&str> {
    let calls = ["Attente(\"", "Acquise(\""];
    let names = calls.into_iter().flat_map(|call| text.split(call).skip(1));
    names.filter_map(|rest| rest.split_once('"')).map(|(name, _)| name).collect()
}

/// Files that are too long, one line each.
pub fn long_files<'a>(folder: &str, sources: impl IntoIterator<Item = &'a Source>) -> Vec<String> {
    let long = sources.into_iter().filter_map(|source| {
        let lines = source.text.lines().count();
        (lines > LONGEST_FILE).then(|| {
            format!(
                "{folder}/{} has {lines} lines, more than {LONGEST_FILE}: split it",
                source.path
            )
        })
    });
    long.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_named_in_the_readme() {
        let text = "A => Etape::Attente(\"rib\"),\nB => Etape::Acquise(\"fin\"),";
        let sources = [source("src/state/etapes.rs", text)];
        assert!(unnamed_stages("x", &sources, "`rib`, `fin`").is_empty());
        let wrong = unnamed_stages("x", &sources, "rib, `fin`");
        assert_eq!(wrong, ["services/x: its README does not list the stage `rib`"]);
        assert!(unnamed_stages("x", &[], "").is_empty());
    }

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    fn complete() -> Vec<Source> {
        MODULES.iter().map(|module| source(&format!("src/{module}.rs"), "")).collect()
    }

    #[test]
    fn a_complete_service_is_accepted_and_folders_count() {
        let mut sources = complete();
        sources.retain(|s| s.path != "src/decide.rs");
        sources.push(source("src/decide/mod.rs", ""));
        sources.push(source("src/agency/asks.rs", ""));
        sources.push(source("tests/flow.rs", ""));
        sources.push(source("src/ics.rs", ""));
        sources.retain(|s| s.path != "src/lib.rs");
        sources.push(source("src/lib.rs", "mod state;\n#[cfg(test)]\npub(crate) mod samples;\n"));
        sources.push(source("src/samples.rs", ""));
        let readme = "The calendar format has its own file, `ics.rs`.";
        assert_eq!(wrong_files("x", &sources, readme), Vec::<String>::new());
    }

    #[test]
    fn missing_unexplained_and_overgrown_files_are_found() {
        let mut sources = complete();
        sources.retain(|s| s.path != "src/wire.rs" && s.path != "src/main.rs");
        sources.push(source("src/divers.rs", ""));
        sources.push(source("src/main.rs", &"//\n".repeat(16)));
        let wrong = wrong_files("x", &sources, "");
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        for (line, needle) in wrong.iter().zip(["no `wire`", "`divers`", "more than 15"]) {
            assert!(line.contains(needle), "{line}");
        }
    }

    #[test]
    fn impure_words_are_found_in_decisions_only_and_not_in_comments() {
        let sources = [
            source("src/decide.rs", "fn a() {\n    let now = Utc::now();\n}\n"),
            source("src/decide/deep/x.rs", "// never .await\nb().await;\n"),
            source("src/state.rs", "/// `SystemTime` is banned.\n"),
            source("src/agency.rs", "client.send().await; Utc::now()"),
        ];
        let wrong = impure_decisions("x", &sources);
        assert_eq!(
            wrong,
            [
                "services/x/src/decide.rs:2: `Utc::now` in a decision, which is pure",
                "services/x/src/decide/deep/x.rs:2: `.await` in a decision, which is pure",
            ]
        );
    }

    #[test]
    fn long_files_are_found() {
        let sources = [source("a.rs", &"x\n".repeat(400)), source("b.rs", &"x\n".repeat(401))];
        let wrong = long_files("shared/x", &sources);
        assert_eq!(wrong, ["shared/x/b.rs has 401 lines, more than 400: split it"]);
    }
}
