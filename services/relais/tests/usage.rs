//! Wrong use: exit code 64, and one line that says what is wrong.

use std::process::Command;

#[test]
fn wrong_use_is_one_clear_line() {
    for (args, wanted) in [
        (vec!["nimporte"], "nimporte"),
        (vec!["demo", "--medecins", "0"], "--medecins"),
        (vec!["demo", "--inconnue"], "--inconnue"),
        (vec!["topology", "plan"], "--management"),
        (vec!["run", "--services", "inconnu"], "inconnu"),
        (vec!["run", "--config", "nulle-part.toml"], "nulle-part.toml"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_relais"))
            .args(&args)
            .env_remove("AMQP_MGMT_URL")
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{args:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
        assert!(text.contains(wanted), "{args:?}: {text}");
    }
}
