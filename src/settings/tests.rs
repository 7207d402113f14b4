use super::*;

pub(super) fn read(variables: &[(&str, &str)]) -> Settings {
    let pairs = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::read(&pairs.collect())
}

#[test]
fn without_any_setting_all_is_well_and_local() {
    let settings = read(&[]);
    assert_eq!(settings.problems, []);
    assert_eq!(settings.records.to_string(), "file:.apim-dr");
    assert_eq!(settings.listen.to_string(), "127.0.0.1:7071");
    assert!(!settings.under_host);
}

#[test]
fn a_wrong_setting_is_named_with_its_remedy_and_without_its_value() {
    let wrong = [
        ("APIM_DR_RECORDS", "s3://x"),
        ("APIM_DR_RECORDS_CONNECTION", "AccountKey=hidden"),
        ("APIM_DR_BLOB_ENDPOINT", "http://{account}.example.com"),
        ("APIM_DR_LISTEN", "0.0.0.0:80"),
        ("APIM_DR_CREDENTIAL", "magic"),
        ("APIM_DR_TOKEN_ENDPOINT", "v3"),
        ("APIM_DR_CLOUD", "germany"),
        ("AZURE_AUTHORITY_HOST", "http://login.example.com"),
        ("APIM_DR_ARM_ENDPOINT", "http://127.0.0.1:1"),
        ("APIM_DR_API_VERSION", "latest"),
        ("APIM_DR_ALLOW_HTTP_LOOPBACK", "yes"),
        ("APIM_DR_STATE_KEY", "tooshort"),
        ("APIM_DR_PUBLIC_URL", "http://apim-dr.example.com"),
        ("APIM_DR_PUBLIC_URL", "https://me:hidden@apim-dr.example.com"),
        ("APIM_DR_LOG", "apim_dr=loud"),
        ("APIM_DR_RESTORE_CONFIRM", "no"),
        ("APIM_DR_RESTORE_TARGETS", "a,,b"),
        ("APIM_DR_STORAGE_ACCOUNTS", "abc,a.blob.core.windows.net"),
        ("APIM_DR_BACKUP_DEADLINE", "-6h"),
        ("APIM_DR_RESTORE_DEADLINE", "soon"),
        ("APIM_DR_REQUIRE_PRINCIPAL", "true"),
        ("APIM_DR_REFUSE_PAYLOAD_SECRETS", "on"),
        ("APIM_DR_KEYS", "backup=tooshort"),
        ("APIM_DR_TARGETS", "[{}]"),
        ("APIM_DR_NOTIFY", "[{}]"),
        ("APIM_DR_CALLBACK_HOSTS", "https://callback.example.com/"),
        ("AZURE_TENANT_ID", "not a tenant"),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "99999"),
        ("APIM_DR_CLOCK", "http://127.0.0.1:8787/clock"),
        ("APIM_DR_BACKUP_SCHEDULE", "0 0 1 L * *"),
        ("APIM_DR_TARGETS", "no/such/file.json"),
        ("APIM_DR_TARGETS", "{\"name\": \"s3cr+t\"}"),
        ("AZURE_CLIENT_SECRET", "@Microsoft.KeyVault(VaultName=v;SecretName=s)"),
        ("AZURE_STORAGE_KEY", "@Microsoft.KeyVault(VaultName=v;SecretName=s)"),
        ("APIM_DR_STATE_KEY", "@Microsoft.KeyVault(VaultName=v;SecretName=s)"),
    ];
    for (name, value) in wrong {
        let problems = read(&[(name, value)]).problems;
        assert!(problems.iter().any(|problem| problem.setting == name), "{name}: {problems:?}");
        assert!(!format!("{problems:?}").contains(value), "{name}: {problems:?}");
    }
}

#[test]
fn under_the_host_its_port_wins_and_what_it_needs_is_demanded() {
    let settings = read(&[("FUNCTIONS_CUSTOMHANDLER_PORT", "4711"), ("APIM_DR_LISTEN", "127.0.0.1:1")]);
    assert_eq!(settings.listen.to_string(), "127.0.0.1:4711");
    let named: Vec<_> = settings.problems.iter().map(|problem| problem.setting.as_str()).collect();
    assert_eq!(named, ["APIM_DR_BACKUP_SCHEDULE", "APIM_DR_RECORDS"]);
}

#[test]
fn under_the_host_a_principal_proves_something_only_where_the_platform_signs_callers_in() {
    for (said, proves) in [
        (None, false),
        (Some("True"), true),
        (Some("true"), true),
        (Some("False"), false),
        (Some("1"), false),
    ] {
        let said = said.map(|said| ("WEBSITE_AUTH_ENABLED", said));
        let host = [("FUNCTIONS_CUSTOMHANDLER_PORT", "1")].into_iter().chain(said);
        let environment = host.clone().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let demanded = host.clone().chain([("APIM_DR_REQUIRE_PRINCIPAL", "true")]).collect::<Vec<_>>();
        let named = |settings: &Settings| {
            let problems = settings.fatal_problems();
            problems.filter(|problem| problem.setting == "WEBSITE_AUTH_ENABLED").count()
        };
        let mut by_argument = read(&host.collect::<Vec<_>>());
        assert_eq!(named(&by_argument), 0);
        by_argument.demand_principal(&environment);
        let mut twice = read(&demanded);
        twice.demand_principal(&environment);
        for settings in [by_argument, read(&demanded), twice] {
            assert!(settings.require_principal);
            assert_eq!(named(&settings), usize::from(!proves), "{said:?}");
        }
    }
}

#[test]
fn an_address_that_others_reach_needs_keys() {
    let listen = ("APIM_DR_LISTEN", "0.0.0.0:80");
    let settings = read(&[listen, ("APIM_DR_KEYS", "backup=backup-key-0123456789")]);
    assert_eq!((settings.problems, settings.listen.to_string()), (vec![], "0.0.0.0:80".to_owned()));
    let named: Vec<_> = read(&[listen, ("APIM_DR_KEYS", "backup=short")]).problems;
    let named: Vec<_> = named.iter().map(|problem| problem.setting.as_str()).collect();
    assert_eq!(named, ["APIM_DR_KEYS", "APIM_DR_LISTEN"]);
}

#[test]
fn under_the_host_its_own_keys_count() {
    let settings = read(&[("FUNCTIONS_CUSTOMHANDLER_PORT", "1"), ("APIM_DR_KEYS", "backup=short")]);
    assert!(settings.caller_keys.is_none());
    assert!(settings.warnings[0].starts_with("APIM_DR_KEYS is not used"), "{:?}", settings.warnings);
    assert!(settings.problems.iter().all(|problem| problem.setting != "APIM_DR_KEYS"));
}

#[test]
fn a_misspelt_setting_is_pointed_out() {
    let settings = read(&[("APIM_DR_RECORD", "memory:")]);
    assert_eq!(settings.warnings, ["APIM_DR_RECORD is not a setting of this version"]);
}

#[test]
fn links_are_https_except_on_this_machine() {
    let url = |host: &str| public_url_of(&host.parse().unwrap());
    assert_eq!(url("localhost:7071"), "http://localhost:7071");
    assert_eq!(url("127.0.0.1:7071"), "http://127.0.0.1:7071");
    assert_eq!(url("[::1]:7071"), "http://[::1]:7071");
    assert_eq!(url("app.azurewebsites.net"), "https://app.azurewebsites.net");
    assert_eq!(url("localhost.example.com"), "https://localhost.example.com");
}

#[test]
fn the_time_may_only_come_from_an_emulator_on_this_machine() {
    let read = |clock| read(&[("APIM_DR_ALLOW_HTTP_LOOPBACK", "true"), ("APIM_DR_CLOCK", clock)]);
    let settings = read("http://127.0.0.1:8787/_emulator/clock");
    assert_eq!((settings.problems, settings.clock.is_some()), (vec![], true));
    for elsewhere in
        ["http://example.com/clock", "https://127.0.0.1:8787/clock", "http://u:p@127.0.0.1/c", "clock"]
    {
        let settings = read(elsewhere);
        let named: Vec<_> = settings.problems.iter().map(|problem| problem.setting.as_str()).collect();
        assert_eq!((named, settings.clock), (vec!["APIM_DR_CLOCK"], None), "{elsewhere}");
    }
}
