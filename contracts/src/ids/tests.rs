use proptest::prelude::*;

use super::*;

fn rpps(text: &str) -> Result<String, IdError> {
    text.parse::<Rpps>().map(String::from)
}

#[test]
fn rpps_is_cleaned_and_checked_with_a_message_for_each_mistake() {
    let known = || Ok("99790000014".to_owned());
    for (given, expected) in [
        ("99790000014", known()),
        (" 997 9000 0014 ", known()),
        ("997.9000.0014", known()),
        ("997\u{a0}9000\u{a0}0014", known()),
        ("997\u{202f}90000014", known()),
        ("899790000014", known()),
        ("8 99790000014", known()),
        ("99790000015", Err(IdError::RppsCle)),
        ("899790000015", Err(IdError::RppsCle)),
        ("631234567", Err(IdError::RppsAdeli)),
        ("0631234567", Err(IdError::RppsAdeli)),
        ("73282932000074", Err(IdError::RppsSiret)),
        ("", Err(IdError::RppsForme)),
        ("9979000001", Err(IdError::RppsForme)),
        ("799790000014", Err(IdError::RppsForme)),
        ("9979000001X", Err(IdError::RppsForme)),
        ("९९७९००००१४", Err(IdError::RppsForme)),
    ] {
        assert_eq!(rpps(given), expected, "{given}");
    }
}

#[test]
fn published_test_identities_pass_and_documentation_samples_fail() {
    for idnps in ["899700218896", "899700296140", "899700366240"] {
        assert!(rpps(idnps).is_ok(), "{idnps}");
    }
    for sample in ["10102727017", "10003461033", "10001766123", "10001234567"] {
        assert_eq!(rpps(sample), Err(IdError::RppsCle), "{sample}");
    }
}

#[test]
fn finess_is_checked_in_form_and_its_key_only_warns() {
    let key = |text: &str| text.parse::<Finess>().map(|f| f.key_is_valid());
    for (given, expected) in [
        ("639990019", Some(true)),
        ("010000024", Some(true)),
        ("510032549", Some(false)),
        // Corsica: the key of letters is not known.
        ("2A0000014", Some(true)),
        ("2B0000020", Some(true)),
        ("2C0000020", None),
        ("A20000020", None),
        ("63999001", None),
        ("6399900199", None),
    ] {
        assert_eq!(key(given).ok(), expected, "{given}");
    }
}

#[test]
fn numero_am_is_a_doctor_s_and_its_key_only_warns() {
    let key = |text: &str| text.parse::<NumeroAm>().map(|n| n.key_is_valid());
    for (given, expected) in [
        ("631990017", Some(true)),
        ("021990015", Some(true)),
        ("201990013", Some(luhn("201990013"))),
        ("631990018", Some(false)),
        ("634990017", None),
        ("2A1990017", None),
        ("63199001", None),
    ] {
        assert_eq!(key(given).ok(), expected, "{given}");
    }
}

#[test]
fn departements_are_those_of_the_cog() {
    let canonical = |text: &str| text.parse::<Departement>().map(String::from).ok();
    for code in ["01", "19", "21", "95", "2A", "2B", "971", "974", "975", "976", "978", "988"] {
        assert_eq!(canonical(code).as_deref(), Some(code));
    }
    assert_eq!(canonical(" 2a ").as_deref(), Some("2A"));
    for wrong in ["20", "00", "96", "970", "979", "985", "1", "2C", "", "063"] {
        assert_eq!(canonical(wrong), None, "{wrong}");
    }
    assert_eq!("2b".parse::<CodeCdom>().map(String::from).ok().as_deref(), Some("2B"));
    assert!("20".parse::<CodeCdom>().is_err());
}

#[test]
fn other_ids_keep_to_their_form() {
    assert!("R10100000990018".parse::<RppsRang>().is_ok());
    assert!("10100000990018".parse::<RppsRang>().is_err());
    assert!("R1010000099".parse::<RppsRang>().is_err());
    assert!("631".parse::<CodeCpam>().is_ok());
    assert!("2A1".parse::<CodeCpam>().is_err());
    assert!("thiers-centre".parse::<LieuId>().is_ok());
    assert!("Thiers".parse::<LieuId>().is_err());
    assert!("".parse::<LieuId>().is_err());
    assert!("k7m2q9x4t1-2026-02-03".parse::<VacationId>().is_ok());
    for wrong in ["k7m2q9x4t1-2026-2-3", "k7m2q9x4t1-2026-02-30", "k7m2q9x4t1", "K7-2026-02-03"] {
        assert!(wrong.parse::<VacationId>().is_err(), "{wrong}");
    }
}

#[test]
fn months_follow_each_other() {
    let mois = |text: &str| text.parse::<Mois>();
    let december = mois("2025-12").expect("a month");
    assert_eq!(december.suivant().to_string(), "2026-01");
    assert_eq!(december.premier_jour().to_string(), "2025-12-01");
    assert_eq!(Mois::of(december.premier_jour()), december);
    assert!(december < december.suivant());
    for wrong in ["2026-13", "2026-1", "2026-00", "26-01", "+026-01", "2026/01", "2026-01-01", ""] {
        assert!(mois(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn money_adds_up() {
    let sum: Centimes = [10_000, 10_000, -10_000].map(Centimes).into_iter().sum();
    assert_eq!(sum, Centimes(10_000));
}

/// Every id whose text parses satisfies its own schema, and parses to itself.
fn canonical<T>(text: &str) -> Result<(), TestCaseError>
where
    T: FromStr + Into<String> + Clone + Serialize + JsonSchema + PartialEq + fmt::Debug,
    T::Err: fmt::Debug,
{
    let Ok(id) = text.parse::<T>() else { return Ok(()) };
    let schema = serde_json::to_value(schemars::schema_for!(T)).expect("a schema is JSON");
    let value = serde_json::to_value(&id).expect("an id is JSON");
    prop_assert!(jsonschema::is_valid(&schema, &value), "{value}");
    let again = Into::<String>::into(id.clone()).parse::<T>();
    prop_assert_eq!(again.expect("canonical"), id);
    Ok(())
}

proptest! {
    #[test]
    fn what_parses_satisfies_its_schema(text in "[0-9AB R+-]{2,16}|[0-9a-z-]{1,30}|20[0-9-]{5}") {
        canonical::<Rpps>(&text)?;
        canonical::<Finess>(&text)?;
        canonical::<RppsRang>(&text)?;
        canonical::<NumeroAm>(&text)?;
        canonical::<Departement>(&text)?;
        canonical::<CodeCpam>(&text)?;
        canonical::<CodeCdom>(&text)?;
        canonical::<LieuId>(&text)?;
        canonical::<EngagementId>(&text)?;
        canonical::<VacationId>(&text)?;
        canonical::<Mois>(&text)?;
    }

    #[test]
    fn a_wrong_digit_is_always_seen(number in 0_u64..10_000_000, at in 0_usize..11, by in 1_u8..10) {
        let stem = format!("997{number:07}");
        let right = (0..10).map(|k| format!("{stem}{k}")).find(|n| luhn(n)).expect("one key");
        prop_assert!(rpps(&right).is_ok());
        let mut digits = right.into_bytes();
        digits[at] = b'0' + (digits[at] - b'0' + by) % 10;
        let wrong = String::from_utf8(digits).expect("digits");
        prop_assert_eq!(rpps(&wrong), Err(IdError::RppsCle));
    }

    #[test]
    fn any_text_is_refused_or_read_never_a_panic(text in ".{0,24}") {
        let _ = rpps(&text);
        let _ = text.parse::<Finess>();
        let _ = text.parse::<NumeroAm>();
        let _ = text.parse::<VacationId>();
        let _ = text.parse::<Mois>();
        let _ = text.parse::<Departement>();
    }
}
