use super::*;

#[test]
fn what_is_kept_can_be_read_listed_replaced_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::of(&folder.path().join("data"));
    assert!(kept.names().unwrap().is_empty());
    assert!(matches!(kept.read("store"), Err(KeptError::NotThere { .. })));
    kept.keep("store", &Secret::new("one")).unwrap();
    kept.keep("other", &Secret::new("two")).unwrap();
    kept.keep("store", &Secret::new("three")).unwrap();
    assert_eq!(kept.read("store").unwrap().reveal(), "three");
    assert_eq!(kept.names().unwrap(), ["other", "store"]);
    kept.remove("store").unwrap();
    assert!(matches!(kept.remove("store"), Err(KeptError::NotThere { .. })));
    assert_eq!(kept.names().unwrap(), ["other"]);
}

#[test]
fn what_a_power_cut_left_of_a_secret_is_not_listed_and_goes_with_the_next_change() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::of(folder.path());
    kept.keep("store", &Secret::new("one")).unwrap();
    let left = folder.path().join(FOLDER).join(".new-x");
    for change in [|kept: &Kept| kept.keep("store", &Secret::new("two")), |kept: &Kept| kept.remove("store")] {
        std::fs::write(&left, "half").unwrap();
        assert_eq!(kept.names().unwrap(), ["store"]);
        change(&kept).unwrap();
        assert!(!left.exists());
    }
}

#[cfg(unix)]
#[test]
fn on_unix_a_kept_secret_is_its_owners_alone_and_refused_when_somebody_opened_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::of(folder.path());
    kept.keep("store", &Secret::new("one")).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&folder.path().join(FOLDER)), mode(&kept.path("store"))), (0o700, 0o600));
    std::fs::set_permissions(kept.path("store"), std::fs::Permissions::from_mode(0o640)).unwrap();
    let why = kept.read("store").unwrap_err().to_string();
    assert!(why.contains("mode 640") && why.contains("tillbridge secret set store"), "{why}");
    // A folder that somebody opened is closed again when the next secret is kept.
    std::fs::set_permissions(folder.path().join(FOLDER), std::fs::Permissions::from_mode(0o755)).unwrap();
    kept.keep("store", &Secret::new("two")).unwrap();
    assert_eq!((mode(&folder.path().join(FOLDER)), mode(&kept.path("store"))), (0o700, 0o600));
    assert_eq!(kept.read("store").unwrap().reveal(), "two");
}

#[cfg(unix)]
#[test]
fn a_secret_kept_by_root_belongs_to_the_agents_user() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    if std::os::unix::fs::chown(&data, Some(12_345), Some(12_346)).is_err() {
        // Only root can give files away, and only root needs to.
        return;
    }
    let kept = Kept::of(&data);
    kept.keep("store", &Secret::new("one")).unwrap();
    let owner = std::fs::metadata(kept.path("store")).unwrap();
    assert_eq!((owner.uid(), owner.gid()), (12_345, 12_346));
    assert_eq!(std::fs::metadata(data.join(FOLDER)).unwrap().uid(), 12_345);
}

#[cfg(windows)]
#[test]
fn on_windows_a_kept_secret_is_encrypted_and_one_name_is_not_another() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::of(folder.path());
    kept.keep("store", &Secret::new("s3cret-token")).unwrap();
    let bytes = std::fs::read(kept.path("store")).unwrap();
    assert!(!bytes.windows(12).any(|window| window == b"s3cret-token"));
    std::fs::copy(kept.path("store"), kept.path("other")).unwrap();
    assert!(matches!(kept.read("other"), Err(KeptError::Sealed { .. })));
}
