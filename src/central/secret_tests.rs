use super::*;

#[derive(Debug, Deserialize)]
struct Holder {
    it: SecretFrom,
}

fn from(toml: &str) -> Result<SecretFrom, String> {
    toml::from_str::<Holder>(&format!("it = {toml}")).map(|holder| holder.it).map_err(|why| why.to_string())
}

#[test]
fn a_secret_is_a_text_or_says_in_one_way_where_it_is() {
    assert_eq!(from("\"abc\"").unwrap(), SecretFrom::Given(Secret::new("abc")));
    assert_eq!(from("{ env = \"T\" }").unwrap(), SecretFrom::Env("T".into()));
    assert_eq!(from("{ file = \"t\" }").unwrap(), SecretFrom::File("t".into()));
    assert_eq!(from("{ credential = \"t\" }").unwrap(), SecretFrom::Credential("t".into()));
    assert!(matches!(from("{ kept = \"t\" }").unwrap(), SecretFrom::Kept { name, .. } if name == "t"));
    for (wrong, said) in [
        ("{}", "exactly one of"),
        ("{ env = \"a\", file = \"b\" }", "exactly one of"),
        ("{ vault = \"a\" }", "vault"),
        ("7", "a secret: { file"),
    ] {
        let why = from(wrong).unwrap_err();
        assert!(why.contains(said), "{wrong}: {why}");
    }
}

#[test]
fn only_the_place_is_ever_shown() {
    let given = from("\"abc\"").unwrap();
    let shown = format!("{given:?} {} {}", given.place(), serde_json::to_string(&given).unwrap());
    assert!(!shown.contains("abc"), "{shown}");
    assert_eq!(serde_json::to_string(&from("{ kept = \"t\" }").unwrap()).unwrap(), "{\"kept\":\"t\"}");
}

#[test]
fn relative_files_start_at_the_configuration_and_kept_ones_lie_in_the_data_folder() {
    let (mut file, mut kept) = (from("{ file = \"token\" }").unwrap(), from("{ kept = \"t\" }").unwrap());
    file.resolve(Path::new("/etc/shop"), Path::new("/data"));
    kept.resolve(Path::new("/etc/shop"), Path::new("/data"));
    assert_eq!(file, SecretFrom::File("/etc/shop/token".into()));
    assert_eq!(kept, SecretFrom::Kept { name: "t".into(), data_folder: "/data".into() });
}

#[test]
fn what_is_not_there_says_from_where_it_was_to_come_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("none");
    let kept = SecretFrom::Kept { name: "store".into(), data_folder: folder.path().into() };
    for (from, said) in [
        (SecretFrom::Env("TILLBRIDGE_NO_SUCH_VARIABLE".into()), "variable TILLBRIDGE_NO_SUCH_VARIABLE"),
        (SecretFrom::File(nowhere), "cannot be read from"),
        (SecretFrom::Credential("store".into()), "LoadCredential=store:"),
        (kept, "tillbridge secret set store"),
        (SecretFrom::Given(Secret::new(" ")), "the secret in the configuration is empty"),
        (SecretFrom::Credential("../store".into()), "is no name for a secret"),
        (SecretFrom::Kept { name: ".hidden".into(), data_folder: folder.path().into() }, "is no name for a secret"),
    ] {
        let why = from.read().unwrap_err().to_string();
        assert!(why.contains(said), "{why}");
    }
}

#[test]
fn a_credential_is_the_file_that_the_service_manager_put_into_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("store"), "s3cret\n").unwrap();
    assert_eq!(credential("store", Some(folder.path().into())).unwrap().reveal(), "s3cret");
    assert!(matches!(credential("other", Some(folder.path().into())), Err(SecretTrouble::NoCredentials { .. })));
    assert!(matches!(credential("store", None), Err(SecretTrouble::NoCredentials { .. })));
}

#[cfg(unix)]
#[test]
fn a_file_is_refused_that_others_may_read_or_anybody_else_may_exchange() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "s3cret\r\n").unwrap();
    let from = SecretFrom::File(path.clone());
    for (mode, is_private) in [
        (0o600, true),
        (0o400, true),
        (0o640, true),
        (0o440, true),
        (0o644, false),
        (0o604, false),
        (0o602, false),
        (0o660, false),
        (0o620, false),
        (0o777, false),
    ] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        match from.read() {
            Ok(secret) => assert!(is_private && secret.reveal() == "s3cret", "{mode:o}"),
            Err(why) => {
                let said = why.to_string();
                assert!(!is_private, "{mode:o}: {said}");
                assert!(said.contains(&format!("mode {mode:o}")), "{said}");
                assert!(said.contains(&format!("chmod 600 {}", path.display())), "{said}");
                assert!(!said.contains("s3cret"), "{said}");
            }
        }
    }
}
