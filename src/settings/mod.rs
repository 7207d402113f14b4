//! The environment, read once. Nothing else reads it.

mod callers;
mod catalog;
mod hooks;
mod records;
mod targets;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use axum::http::uri::Authority;
use jiff::SignedDuration;
use serde::Serialize;
use tracing_subscriber::EnvFilter;
use url::Url;

pub use callers::{CallerKey, CallerKeys, KeyUse};
pub use catalog::{SETTINGS, Setting};
pub use records::{RecordsContainer, RecordsPlace};

use crate::{
    azure::{
        ApiVersion, ArmConfig, BlobService, Cloud, Credential, Endpoints, Limits, Overrides, TokenConfig,
        TokenEndpoint, secure,
    },
    domain::{Bounds, ClientId, Schedule, Secret, Target, TenantId},
    hooks::HookSettings,
    keys::StateKey,
    payload::{Confirmation, StartPolicy, TargetDefaults},
    ports::Deadlines,
};

/// The environment, as it was when the process began.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

impl Environment {
    /// The value of a variable; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Variables that look like settings of ours and are none.
    fn unknown(&self) -> impl Iterator<Item = &str> {
        let names = self.0.keys().map(String::as_str).filter(|name| name.starts_with("APIM_DR_"));
        names.filter(|name| SETTINGS.iter().all(|setting| setting.name != *name))
    }
}

/// A setting that is wrong: its name and the remedy, never its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub setting: String,
    pub remedy: String,
}

impl Problem {
    pub fn new(setting: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { setting: setting.into(), remedy: remedy.into() }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.setting, self.remedy)
    }
}

/// The settings, each checked. Where one is wrong its default stands in and `problems` names it: nobody
/// may act on such settings, but the process can still say what is wrong.
#[derive(Debug, Clone)]
pub struct Settings {
    pub problems: Vec<Problem>,
    /// What is odd but harms nothing.
    pub warnings: Vec<String>,
    pub records: RecordsPlace,
    pub state_key: Option<StateKey>,
    /// What opens accounts of backups for which a request brings no key.
    pub blob_connections: Vec<BlobService>,
    pub under_host: bool,
    pub listen: SocketAddr,
    /// `None`: whoever reaches us may call. Never under the host, which has its own.
    pub caller_keys: Option<CallerKeys>,
    /// Only under the host, where App Service authentication is on.
    pub require_principal: bool,
    pub refuse_payload_secrets: bool,
    pub public_url: Option<String>,
    pub start_policy: StartPolicy,
    pub deadlines: Deadlines,
    pub settle: Duration,
    /// Of the timer trigger, and of all targets that have none of their own.
    /// `None`: it is among the problems.
    pub schedule: Option<Schedule>,
    /// Those that could be read.
    pub targets: Vec<Target>,
    /// Those who are told.
    pub hooks: HookSettings,
    /// The emulator's clock, in place of the system's.
    pub clock: Option<Url>,
    /// `None`: its endpoints are among the problems.
    pub arm: Option<ArmConfig>,
    /// For the command line.
    pub subscription: Option<String>,
    pub storage_key: Option<Secret>,
    pub log: String,
}

impl Settings {
    /// Problems of the schedule and of targets: they stop the targets that they are about, and nothing else. On the day
    /// of a disaster a secret that cannot be resolved must not keep anybody from a restore.
    pub fn schedule_problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| targets::is_about_targets(problem))
    }

    /// Problems of those who are told: they stop what they are about, and no operation.
    pub fn hook_problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| hooks::is_about_hooks(problem))
    }

    /// Problems that leave nothing to go on with.
    pub fn fatal_problems(&self) -> impl Iterator<Item = &Problem> {
        let stops_little =
            |problem: &&Problem| targets::is_about_targets(problem) || hooks::is_about_hooks(problem);
        self.problems.iter().filter(move |problem| !stops_little(problem))
    }

    /// Takes only calls that App Service authentication let through.
    pub fn demand_principal(&mut self, environment: &Environment) {
        if !std::mem::replace(&mut self.require_principal, true) {
            self.problems.extend(forgeable(self.under_host, environment));
        }
    }

    pub fn read(environment: &Environment) -> Self {
        let mut reader = Reader { environment, problems: Vec::new(), warnings: Vec::new() };
        let port = reader.parse("FUNCTIONS_CUSTOMHANDLER_PORT", "give a port number", u16::from_str);
        let under_host = environment.get("FUNCTIONS_CUSTOMHANDLER_PORT").is_some();
        let allow_http_loopback = reader.flag("APIM_DR_ALLOW_HTTP_LOOPBACK");
        let caller_keys = reader.caller_keys(under_host);
        let listen = match port {
            Some(port) => SocketAddr::from(([127, 0, 0, 1], port)),
            None => reader.listen(caller_keys.is_some()),
        };
        let require_principal = reader.require_principal(under_host);
        let refuse_payload_secrets = reader.flag("APIM_DR_REFUSE_PAYLOAD_SECRETS");
        if under_host && environment.get("APIM_DR_BACKUP_SCHEDULE").is_none() {
            reader.problem(
                "APIM_DR_BACKUP_SCHEDULE",
                "set it: without it the host does not run the timer at all",
            );
        }
        let log = reader
            .parse("APIM_DR_LOG", "give a tracing filter, such as info or apim_dr=debug", |filter| {
                EnvFilter::try_new(filter)
            })
            .and(environment.get("APIM_DR_LOG"))
            .unwrap_or("info")
            .to_owned();
        let arm = reader.arm(under_host, allow_http_loopback);
        let endpoints = arm.as_ref().map(|arm| &arm.endpoints);
        let records = reader.records(under_host, endpoints, allow_http_loopback);
        let blob_connections = reader.blob_connections(allow_http_loopback);
        let state_key = reader.parse(
            "APIM_DR_STATE_KEY",
            "give 32 bytes in base64, as `openssl rand -base64 32` prints them",
            StateKey::from_base64,
        );
        let public_url = reader.public_url(allow_http_loopback);
        let start_policy = reader.start_policy();
        let deadlines = Deadlines {
            backup: reader.duration("APIM_DR_BACKUP_DEADLINE", Duration::from_hours(6)),
            restore: reader.duration("APIM_DR_RESTORE_DEADLINE", Duration::from_hours(12)),
        };
        let settle = reader.duration("APIM_DR_SETTLE", Duration::from_mins(20));
        let clock = reader.clock(allow_http_loopback);
        let schedule = reader.schedule();
        let rpo = reader.duration("APIM_DR_RPO", Duration::from_hours(26));
        let rpo = SignedDuration::try_from(rpo).unwrap_or(SignedDuration::MAX);
        let targets = reader.targets(TargetDefaults { schedule: schedule.as_ref(), rpo }, &start_policy);
        let hooks = reader.hooks(&targets, public_url.clone(), allow_http_loopback);
        reader.unresolved_references();
        let mut warnings: Vec<_> =
            environment.unknown().map(|name| format!("{name} is not a setting of this version")).collect();
        if under_host && environment.get("APIM_DR_KEYS").is_some() {
            warnings.push("APIM_DR_KEYS is not used under the host: its function keys count".to_owned());
        }
        warnings.append(&mut reader.warnings);
        Self {
            warnings,
            records,
            state_key,
            blob_connections,
            under_host,
            listen,
            caller_keys,
            require_principal,
            refuse_payload_secrets,
            public_url,
            start_policy,
            deadlines,
            settle,
            schedule,
            targets,
            hooks,
            clock,
            arm,
            subscription: environment.get("AZURE_SUBSCRIPTION_ID").map(str::to_owned),
            storage_key: environment.get("AZURE_STORAGE_KEY").map(Secret::new),
            log,
            problems: reader.problems,
        }
    }
}

/// Why a principal would prove nothing: nobody in front of us takes its header from those who may not send it.
fn forgeable(under_host: bool, environment: &Environment) -> Option<Problem> {
    const SIGNED_IN: &str = "WEBSITE_AUTH_ENABLED";
    if !under_host {
        return Some(Problem::new(
            "APIM_DR_REQUIRE_PRINCIPAL",
            "remove it, and set APIM_DR_KEYS: only App Service in front of the Functions host says who calls; \
             without it anybody could send the header",
        ));
    }
    let signed_in = environment.get(SIGNED_IN).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    (!signed_in).then(|| {
        Problem::new(
            SIGNED_IN,
            "turn App Service authentication on: a principal is demanded, and without it anybody could send the header. \
             Where it is on and the platform does not say so, set WEBSITE_AUTH_ENABLED=true yourself. Where function \
             keys are meant to count, take the package without --auth easy-auth, and no APIM_DR_REQUIRE_PRINCIPAL",
        )
    })
}

/// Collects what is wrong while reading on.
struct Reader<'a> {
    environment: &'a Environment,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Reader<'_> {
    fn problem(&mut self, name: &str, remedy: impl Into<String>) {
        self.problems.push(Problem::new(name, remedy));
    }

    fn parse<T, E>(&mut self, name: &str, remedy: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let value = parse(self.environment.get(name)?).ok();
        if value.is_none() {
            self.problem(name, remedy);
        }
        value
    }

    fn flag(&mut self, name: &str) -> bool {
        self.parse(name, "set it to true or false", bool::from_str).unwrap_or_default()
    }

    fn duration(&mut self, name: &str, default: Duration) -> Duration {
        let parse = |text: &str| match text.parse::<SignedDuration>().map(Duration::try_from) {
            Ok(Ok(duration)) if !duration.is_zero() => Ok(duration),
            _ => Err(()),
        };
        self.parse(name, "give a duration, such as 6h, 90m or PT6H", parse).unwrap_or(default)
    }

    /// Under the host its own keys count.
    fn caller_keys(&mut self, under_host: bool) -> Option<CallerKeys> {
        if under_host {
            return None;
        }
        self.parse("APIM_DR_KEYS", CallerKeys::REMEDY, |text| CallerKeys::read(text).ok_or(()))
    }

    fn require_principal(&mut self, under_host: bool) -> bool {
        let required = self.flag("APIM_DR_REQUIRE_PRINCIPAL");
        if required {
            self.problems.extend(forgeable(under_host, self.environment));
        }
        required
    }

    fn listen(&mut self, has_keys: bool) -> SocketAddr {
        const REMEDY: &str = "give an address and port, such as 127.0.0.1:7071; one that is not loopback needs \
                              APIM_DR_KEYS, or anybody who reaches it may start a restore";
        let parse = |text: &str| {
            let address = text.parse::<SocketAddr>().ok();
            address.filter(|address| has_keys || address.ip().is_loopback()).ok_or(())
        };
        self.parse("APIM_DR_LISTEN", REMEDY, parse)
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 7071)))
    }

    fn public_url(&mut self, allow_http_loopback: bool) -> Option<String> {
        const REMEDY: &str =
            "give an https address without user, query or fragment, such as https://apim-dr.example.com";
        let parse = |text: &str| secure(text, allow_http_loopback).map(|_| text.to_owned());
        self.parse("APIM_DR_PUBLIC_URL", REMEDY, parse).or_else(|| {
            self.parse("WEBSITE_HOSTNAME", "the platform sets it to a host name", Authority::from_str)
                .map(|host| public_url_of(&host))
        })
    }

    fn clock(&mut self, allow_http_loopback: bool) -> Option<Url> {
        const REMEDY: &str = "give the http address of an emulator's clock on this machine, with APIM_DR_ALLOW_HTTP_LOOPBACK=true; \
                              for the system's time leave it out";
        let parse = |text: &str| {
            secure(text, allow_http_loopback).ok().filter(|url| url.scheme() == "http").ok_or(())
        };
        self.parse("APIM_DR_CLOCK", REMEDY, parse)
    }

    fn start_policy(&mut self) -> StartPolicy {
        let confirm = |text: &str| match text {
            "operation" => Ok(Confirmation::Operation),
            "phrase" => Ok(Confirmation::Phrase),
            _ => Err(()),
        };
        let confirm = self.parse("APIM_DR_RESTORE_CONFIRM", "set it to operation or phrase", confirm);
        let bounds = Bounds {
            restore_targets: self
                .names("APIM_DR_RESTORE_TARGETS", "give names of instances, separated by commas"),
            storage_accounts: self
                .names("APIM_DR_STORAGE_ACCOUNTS", "give names of storage accounts, separated by commas"),
        };
        StartPolicy { confirm: confirm.unwrap_or_default(), bounds }
    }

    /// Azure's names, whatever their case.
    fn names<T: FromStr>(&mut self, name: &str, remedy: &str) -> Option<Vec<T>> {
        let names = |text: &str| {
            text.split(',').map(|name| name.trim().to_ascii_lowercase().parse()).collect::<Result<_, _>>()
        };
        self.parse(name, remedy, names)
    }

    fn arm(&mut self, under_host: bool, allow_http_loopback: bool) -> Option<ArmConfig> {
        let cloud = self
            .parse("APIM_DR_CLOUD", "set it to public, usgov or china", Cloud::from_str)
            .unwrap_or_default();
        let text = |name| self.environment.get(name).map(str::to_owned);
        let overrides = Overrides {
            authority: text("AZURE_AUTHORITY_HOST"),
            arm: text("APIM_DR_ARM_ENDPOINT"),
            audience: text("APIM_DR_ARM_AUDIENCE"),
            blob: text("APIM_DR_BLOB_ENDPOINT"),
        };
        let endpoints = Endpoints::new(cloud, &overrides, allow_http_loopback)
            .map_err(|error| self.problem(error.setting, error.must));
        let api_version = self.parse(
            "APIM_DR_API_VERSION",
            "give a date that has backup and restore, such as 2024-05-01",
            ApiVersion::from_str,
        );
        let credential = self.parse(
            "APIM_DR_CREDENTIAL",
            "set it to auto, client-secret, managed-identity, workload-identity or azure-cli",
            Credential::from_str,
        );
        let tokens = TokenConfig {
            credential: credential.unwrap_or_default(),
            endpoint: self
                .parse("APIM_DR_TOKEN_ENDPOINT", "set it to v2 or v1", TokenEndpoint::from_str)
                .unwrap_or_default(),
            tenant: self.parse("AZURE_TENANT_ID", TenantId::REMEDY, str::parse),
            client_id: self.parse("AZURE_CLIENT_ID", ClientId::REMEDY, str::parse),
            client_secret: self.environment.get("AZURE_CLIENT_SECRET").map(Secret::new),
            under_host,
            federated_token_file: self.environment.get("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from),
            has_managed_identity: self.environment.get("IDENTITY_ENDPOINT").is_some(),
        };
        Some(ArmConfig {
            endpoints: endpoints.ok()?,
            api_version: api_version.unwrap_or(ApiVersion::DEFAULT),
            limits: Limits::default(),
            tokens,
        })
    }
}

/// The address behind a host name: plain http only for this machine's own names, where Core Tools listens.
pub fn public_url_of(authority: &Authority) -> String {
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    let loopback = name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    format!("{}://{authority}", if loopback { "http" } else { "https" })
}
