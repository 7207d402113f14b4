//! Where the records are: `APIM_DR_RECORDS`, else under the host its own storage.

use std::{fmt, path::PathBuf};

use super::Reader;
use crate::{
    azure::{BlobAccess, BlobService, Endpoints, InvalidSetting},
    domain::{BlobName, ClientId, ContainerName, Secret, StorageAccount},
};

const RECORDS: &str = "APIM_DR_RECORDS";
const CONNECTION: &str = "APIM_DR_RECORDS_CONNECTION";
const BLOBS: &str = "APIM_DR_BLOB_CONNECTION";
const HOST: &str = "AzureWebJobsStorage";
const HOST_ACCOUNT: &str = "AzureWebJobsStorage__accountName";
const HOST_URI: &str = "AzureWebJobsStorage__blobServiceUri";
const HOST_CREDENTIAL: &str = "AzureWebJobsStorage__credential";
const HOST_CLIENT: &str = "AzureWebJobsStorage__clientId";
/// A container that the host itself makes.
const HOST_CONTAINER: &str = "azure-webjobs-hosts";
const HOST_PREFIX: &str = "apim-dr";

/// Where the records are. Shown without anything that opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordsPlace {
    /// `memory:`; gone with the process.
    Memory,
    /// `file:<directory>`
    Directory(PathBuf),
    /// `az://<account>/<container>[/<prefix>]`
    Container(RecordsContainer),
}

/// A container for the records, and what opens its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordsContainer {
    pub service: BlobService,
    pub name: String,
    /// Empty: the whole container.
    pub prefix: String,
    setting: &'static str,
}

impl RecordsPlace {
    /// The setting that says so.
    pub fn setting(&self) -> &'static str {
        match self {
            Self::Container(container) => container.setting,
            Self::Memory | Self::Directory(_) => RECORDS,
        }
    }
}

impl fmt::Display for RecordsPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Directory(path) => write!(f, "file:{}", path.display()),
            Self::Container(RecordsContainer { service, name, prefix, .. }) => {
                write!(f, "az://{}/{name}", service.account)?;
                if prefix.is_empty() { Ok(()) } else { write!(f, "/{prefix}") }
            }
        }
    }
}

/// What `APIM_DR_RECORDS` says.
enum Named {
    Place(RecordsPlace),
    Container { account: StorageAccount, name: String, prefix: String },
}

fn parse(text: &str) -> Result<Named, ()> {
    let (scheme, rest) = text.split_once(':').ok_or(())?;
    match scheme {
        "memory" if rest.is_empty() => Ok(Named::Place(RecordsPlace::Memory)),
        "file" if !rest.is_empty() => Ok(Named::Place(RecordsPlace::Directory(rest.into()))),
        "az" => {
            let path = rest.strip_prefix("//").ok_or(())?;
            let (account, path) = path.split_once('/').ok_or(())?;
            let (name, prefix) = path.split_once('/').unwrap_or((path, ""));
            let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
            let well_named = name.parse::<ContainerName>().is_ok()
                && (prefix.is_empty() || prefix.parse::<BlobName>().is_ok());
            let account = account.parse().map_err(drop)?;
            let container = Named::Container { account, name: name.to_owned(), prefix: prefix.to_owned() };
            well_named.then_some(container).ok_or(())
        }
        _ => Err(()),
    }
}

impl Reader<'_> {
    /// Connection strings of the accounts that backups lie in, between white space.
    pub(super) fn blob_connections(&mut self, allow_http_loopback: bool) -> Vec<BlobService> {
        let text = self.environment.get(BLOBS).unwrap_or_default();
        let mut services: Vec<BlobService> = Vec::new();
        for text in text.split_whitespace() {
            match BlobService::from_connection(text, None, allow_http_loopback) {
                Ok(service) if services.iter().any(|other| other.account == service.account) => {
                    self.problem(BLOBS, "give one connection string for each account");
                }
                Ok(service) => services.push(service),
                Err(must) => self.problem(BLOBS, must),
            }
        }
        services
    }

    /// Where something is wrong, a directory stands in.
    pub(super) fn records(
        &mut self,
        under_host: bool,
        endpoints: Option<&Endpoints>,
        allow_http_loopback: bool,
    ) -> RecordsPlace {
        const REMEDY: &str = "give file:<directory>, memory: or az://<account>/<container>[/<prefix>]";
        let is_set = |name| self.environment.get(name).is_some();
        let has_connection = is_set(CONNECTION);
        let place = if is_set(RECORDS) || !under_host {
            let named = self.parse(RECORDS, REMEDY, parse);
            if has_connection && !matches!(named, Some(Named::Container { .. })) {
                self.problem(CONNECTION, "remove it, or set APIM_DR_RECORDS=az://<account>/<container>");
            }
            match named {
                Some(Named::Place(place)) => Some(place),
                Some(Named::Container { account, name, prefix }) => self
                    .named_account(&account, endpoints, allow_http_loopback)
                    .map(|service| RecordsContainer { service, name, prefix, setting: RECORDS })
                    .map(RecordsPlace::Container),
                None => None,
            }
        } else {
            self.host_account(endpoints, allow_http_loopback)
                .map(|(service, setting)| RecordsContainer {
                    service,
                    name: HOST_CONTAINER.to_owned(),
                    prefix: HOST_PREFIX.to_owned(),
                    setting,
                })
                .map(RecordsPlace::Container)
        };
        place.unwrap_or_else(|| RecordsPlace::Directory(".apim-dr".into()))
    }

    /// The account of `az://`: by its connection, else by the app's identity.
    fn named_account(
        &mut self,
        account: &StorageAccount,
        endpoints: Option<&Endpoints>,
        allow_http_loopback: bool,
    ) -> Option<BlobService> {
        match self.environment.get(CONNECTION) {
            // A bare SAS is the query of a URL.
            Some(sas) if !sas.contains(';') && sas.contains("sig=") => {
                self.service(account, endpoints, BlobAccess::Sas(Secret::new(sas)))
            }
            Some(_) => self.connection(CONNECTION, Some(account.as_str()), allow_http_loopback),
            None => self.service(account, endpoints, BlobAccess::App),
        }
    }

    /// The host's own account, and which setting names it.
    fn host_account(
        &mut self,
        endpoints: Option<&Endpoints>,
        allow_http_loopback: bool,
    ) -> Option<(BlobService, &'static str)> {
        if self.environment.get(HOST).is_some() {
            return Some((self.connection(HOST, None, allow_http_loopback)?, HOST));
        }
        let client_id = self.parse(HOST_CLIENT, ClientId::REMEDY, str::parse);
        let managed = client_id.is_some()
            || self
                .environment
                .get(HOST_CREDENTIAL)
                .is_some_and(|it| it.eq_ignore_ascii_case("managedidentity"));
        let access = if managed { BlobAccess::Managed(client_id) } else { BlobAccess::App };
        if self.environment.get(HOST_ACCOUNT).is_some() {
            let account = self.parse(HOST_ACCOUNT, StorageAccount::REMEDY, str::parse)?;
            return Some((self.service(&account, endpoints, access)?, HOST_ACCOUNT));
        }
        if let Some(uri) = self.environment.get(HOST_URI) {
            return match BlobService::at(uri, access, allow_http_loopback) {
                Ok(service) => Some((service, HOST_URI)),
                Err(must) => {
                    self.problem(HOST_URI, must);
                    None
                }
            };
        }
        self.problem(
            RECORDS,
            "set it, or AzureWebJobsStorage: without storage there is no place for the records",
        );
        None
    }

    fn connection(
        &mut self,
        setting: &'static str,
        account: Option<&str>,
        allow_http_loopback: bool,
    ) -> Option<BlobService> {
        let text = self.environment.get(setting)?;
        BlobService::from_connection(text, account, allow_http_loopback)
            .map_err(|remedy| self.problem(setting, remedy))
            .ok()
    }

    /// Without endpoints there is a problem already.
    fn service(
        &mut self,
        account: &StorageAccount,
        endpoints: Option<&Endpoints>,
        access: BlobAccess,
    ) -> Option<BlobService> {
        BlobService::new(account, endpoints?, access)
            .map_err(|InvalidSetting { setting, must }| self.problem(setting, must))
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    const KEY: &str = "bm90IGEgc2VjcmV0LCBidXQgYmFzZTY0";
    const CLIENT: &str = "11111111-2222-3333-4444-555555555555";

    fn read(variables: &[(&str, &str)]) -> Settings {
        let pairs = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::read(&pairs.collect())
    }

    /// Place, endpoint and what opens it.
    fn container(variables: &[(&str, &str)]) -> (String, String, BlobAccess) {
        let settings = read(variables);
        assert_eq!(settings.problems, [], "{variables:?}");
        assert!(!format!("{} {settings:?}", settings.records).contains(KEY), "a secret is shown");
        match &settings.records {
            place @ RecordsPlace::Container(RecordsContainer { service, .. }) => {
                (place.to_string(), service.endpoint.to_string(), service.access.clone())
            }
            place => panic!("{variables:?}: {place}"),
        }
    }

    #[test]
    fn a_place_is_written_as_it_is_read() {
        for text in ["memory:", "file:/x/y", "az://abc/backup", "az://abc/backup/a/b"] {
            let settings = read(&[(RECORDS, text)]);
            assert_eq!((settings.records.to_string().as_str(), settings.problems), (text, vec![]));
        }
        assert_eq!(read(&[(RECORDS, "az://abc/backup/")]).records.to_string(), "az://abc/backup");
        for text in [
            "az://abc",
            "az://abc/",
            "az:abc/backup",
            "az://ABC/backup",
            "az://abc/b",
            "az://abc/backup/../x",
            "blob",
        ] {
            let problems = read(&[(RECORDS, text)]).problems;
            assert_eq!(problems.len(), 1, "{text}: {problems:?}");
            assert_eq!(problems[0].setting, RECORDS, "{text}");
        }
    }

    #[test]
    fn a_container_is_opened_by_its_connection_else_by_the_app() {
        let records = (RECORDS, "az://abc/backup");
        let place = "az://abc/backup".to_owned();
        let public = "https://abc.blob.core.windows.net/".to_owned();
        assert_eq!(container(&[records]), (place.clone(), public.clone(), BlobAccess::App));
        let connection = format!("AccountName=abc;AccountKey={KEY}");
        let by_key = BlobAccess::Key(Secret::new(KEY));
        assert_eq!(container(&[records, (CONNECTION, &connection)]), (place.clone(), public.clone(), by_key));
        let by_sas = BlobAccess::Sas(Secret::new("?sv=1&sig=x"));
        assert_eq!(container(&[records, (CONNECTION, "?sv=1&sig=x")]), (place.clone(), public, by_sas));
        let china = "https://abc.blob.core.chinacloudapi.cn/".to_owned();
        assert_eq!(container(&[records, ("APIM_DR_CLOUD", "china")]), (place, china, BlobAccess::App));
        let other = [records, (CONNECTION, "AccountName=xyz;AccountKey=AAAA")];
        let alone = [(CONNECTION, connection.as_str())];
        for variables in [&other[..], &alone] {
            let problems = read(variables).problems;
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(problems[0].setting, CONNECTION);
        }
    }

    #[test]
    fn under_the_host_the_records_are_in_its_own_storage() {
        let host = |more: &[(&'static str, &'static str)]| {
            [&[("FUNCTIONS_CUSTOMHANDLER_PORT", "1"), ("APIM_DR_BACKUP_SCHEDULE", "0 0 1 * * *")], more]
                .concat()
        };
        let at = |account: &str| format!("az://{account}/azure-webjobs-hosts/apim-dr");
        let public = "https://abc.blob.core.windows.net/".to_owned();
        let azurite = container(&host(&[(HOST, "UseDevelopmentStorage=true")]));
        assert_eq!(azurite.0, at("devstoreaccount1"));
        assert_eq!(azurite.1, "http://127.0.0.1:10000/devstoreaccount1");
        let managed = |id: Option<&str>| BlobAccess::Managed(id.map(|id| id.parse().unwrap()));
        for (more, access) in [
            (&[(HOST_ACCOUNT, "abc")][..], BlobAccess::App),
            (&[(HOST_ACCOUNT, "abc"), (HOST, "")], BlobAccess::App),
            (&[(HOST_ACCOUNT, "abc"), (HOST_CREDENTIAL, "managedidentity")], managed(None)),
            (
                &[(HOST_ACCOUNT, "abc"), (HOST_CREDENTIAL, "managedIdentity"), (HOST_CLIENT, CLIENT)],
                managed(Some(CLIENT)),
            ),
            (&[(HOST_URI, "https://abc.blob.core.windows.net")], BlobAccess::App),
        ] {
            assert_eq!(container(&host(more)), (at("abc"), public.clone(), access), "{more:?}");
        }
        for (more, named) in [
            (&[][..], RECORDS),
            (&[(HOST, "@Microsoft.KeyVault(SecretUri=https://x)")], HOST),
            (&[(HOST_URI, "http://abc.blob.core.windows.net")], HOST_URI),
            (&[(HOST_ACCOUNT, "https://abc")], HOST_ACCOUNT),
        ] {
            let problems = read(&host(more)).problems;
            assert_eq!(problems.len(), 1, "{more:?}: {problems:?}");
            assert_eq!(problems[0].setting, named);
        }
        // What is named wins.
        let named = host(&[(RECORDS, "memory:"), (HOST, "UseDevelopmentStorage=true")]);
        assert_eq!(read(&named).records, RecordsPlace::Memory);
    }
}
