//! What the alert rules rely on: metrics that somebody registers, stages that somebody is at, and a
//! line of the operator's guide for each.

use std::collections::BTreeSet;

/// What a histogram is served as.
const SUITES: [&str; 3] = ["_bucket", "_count", "_sum"];

/// The names of the rules.
pub fn alertes(rules: &str) -> BTreeSet<&str> {
    let names = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert:"));
    names.map(str::trim).collect()
}

/// The metrics that the rules name; the name of a histogram without what it is served as.
pub fn metriques(rules: &str) -> BTreeSet<&str> {
    let word = |c: char| c.is_ascii_lowercase() || c == '_';
    let expressions = rules.lines().filter(|line| !line.trim_start().starts_with('#'));
    let named = expressions.flat_map(|line| line.split(|c| !word(c)));
    let metrics = named.filter(|name| name.starts_with("relais_"));
    metrics
        .map(|metric| SUITES.iter().find_map(|suite| metric.strip_suffix(suite)).unwrap_or(metric))
        .collect()
}

/// The stages that the rules select by name.
pub fn etapes(rules: &str) -> BTreeSet<&str> {
    let selected = rules.split("etape=\"").skip(1);
    selected.filter_map(|rest| rest.split_once('"')).map(|(etape, _)| etape).collect()
}

/// What the rules name and nobody has, one line each.
pub fn wrong_rules(
    rules: &str,
    registered: &BTreeSet<&str>,
    stages: &BTreeSet<&str>,
    guide: &str,
) -> Vec<String> {
    let metrics = metriques(rules).into_iter().filter(|metric| !registered.contains(metric));
    let unknown = etapes(rules).into_iter().filter(|etape| !stages.contains(etape));
    let silent = alertes(rules).into_iter().filter(|alert| !guide.contains(alert));
    metrics
        .map(|metric| format!("an alert relies on `{metric}`, which no service registers"))
        .chain(unknown.map(|etape| format!("an alert relies on the stage `{etape}` of no service")))
        .chain(silent.map(|alert| format!("the operator's guide does not say what {alert} is")))
        .collect()
}

/// The metrics that the frame registers: the names in its source.
pub fn registered(source: &str) -> BTreeSet<&str> {
    let quoted = source.split('"').skip(1).step_by(2);
    quoted.filter(|name| name.starts_with("relais_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "
        - alert: Lent
          expr: histogram_quantile(0.99, sum by (le) (rate(relais_x_seconds_bucket[10m]))) > 5
        - alert: Long
          # relais_commented_out is no expression
          expr: max(relais_age{etape=\"rib\"}) > 3 or max(relais_age{etape!~\".+-medecin\"})
    ";

    #[test]
    fn what_rules_rely_on_is_found() {
        assert_eq!(metriques(RULES), BTreeSet::from(["relais_age", "relais_x_seconds"]));
        assert_eq!(etapes(RULES), BTreeSet::from(["rib"]));
        assert_eq!(alertes(RULES), BTreeSet::from(["Lent", "Long"]));
        let source = "histogram(\"relais_x_seconds\", \"Of relais_y\"); gauge(\"relais_age\")";
        let metrics = registered(source);
        assert_eq!(metrics, BTreeSet::from(["relais_age", "relais_x_seconds"]));
        let stages = BTreeSet::from(["rib"]);
        assert!(wrong_rules(RULES, &metrics, &stages, "Lent, Long").is_empty());
        let wrong = wrong_rules(RULES, &BTreeSet::from(["relais_age"]), &BTreeSet::new(), "Lent");
        assert_eq!(wrong.len(), 3, "{wrong:?}");
    }
}
