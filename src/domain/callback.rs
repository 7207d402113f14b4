//! Where we may be asked to send something: a caller must not make us call whom we can reach and they cannot.

use std::fmt;

use url::{Host, Url};

/// Whether the URL names this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A URL to which something is sent: `https`, or `http` to this machine if that is allowed. Its path and its query may
/// be a secret. Otherwise what to do about it.
pub fn sendable(text: &str, allow_http_loopback: bool) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "give a whole https:// URL")?;
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("leave out user, password and fragment");
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) && allow_http_loopback => Ok(url),
        _ => Err("give an https:// URL"),
    }
}

/// The hosts that a request may have us call, and whether plain http to this machine is allowed at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallbackHosts {
    hosts: Vec<AllowedHost>,
    allow_http_loopback: bool,
}

/// `dev.azure.com`, `*.logic.azure.com`, `callback.example.com:8443`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AllowedHost {
    /// In small letters; an address as a URL has it.
    host: String,
    /// Whatever ends with a dot and this.
    below: bool,
    port: u16,
}

/// Why a URL of a request is not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotCallable {
    pub detail: &'static str,
    pub remedy: &'static str,
}

impl fmt::Display for NotCallable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.detail, self.remedy)
    }
}

impl CallbackHosts {
    /// Logic Apps in each cloud, and Azure DevOps.
    pub const DEFAULT: &str =
        "*.logic.azure.com,*.logic.azure.us,*.logic.azure.cn,dev.azure.com,*.visualstudio.com";
    pub const REMEDY: &str = "give host names with commas between, such as dev.azure.com, *.logic.azure.com or \
                              callback.example.com:8443";

    /// Reads hosts with commas between.
    pub fn read(text: &str, allow_http_loopback: bool) -> Option<Self> {
        let hosts = text.split(',').map(|entry| AllowedHost::read(entry.trim())).collect::<Option<_>>()?;
        Some(Self { hosts, allow_http_loopback })
    }

    /// The URL, if it may be called.
    pub fn check(&self, text: &str) -> Result<Url, NotCallable> {
        let url = sendable(text, self.allow_http_loopback)
            .map_err(|remedy| NotCallable { detail: "not a URL that is called", remedy })?;
        if self.hosts.iter().any(|host| host.is(&url)) {
            return Ok(url);
        }
        Err(NotCallable {
            detail: "its host, with its port, is not one that may be called",
            remedy: "let the setting APIM_DR_CALLBACK_HOSTS name it",
        })
    }
}

impl AllowedHost {
    fn read(entry: &str) -> Option<Self> {
        let (below, entry) = match entry.strip_prefix("*.") {
            Some(suffix) => (true, suffix),
            None => (false, entry),
        };
        // What reads as the authority of a URL is one; it must say nothing else.
        let url = Url::parse(&format!("https://{entry}/")).ok()?;
        let is_authority = !entry.contains(['/', '\\', '@', '?', '#', '*']) && url.path() == "/";
        let is_name = matches!(url.host(), Some(Host::Domain(_)));
        let fits = is_authority && (is_name || !below);
        let port = url.port_or_known_default()?;
        fits.then(|| Self { host: url.host_str().unwrap_or_default().to_owned(), below, port })
    }

    fn is(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        // `name.` is the same host as `name`, and yet another text: nobody needs it.
        let is_it = if self.below {
            host.strip_suffix(&self.host).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        } else {
            host == self.host
        };
        is_it && url.port_or_known_default() == Some(self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_only_logic_apps_and_azure_devops_are_called() {
        let hosts = CallbackHosts::read(CallbackHosts::DEFAULT, false).unwrap();
        for url in [
            "https://prod-12.westeurope.logic.azure.com/workflows/x/runs/y?sig=s",
            "https://prod-12.westeurope.logic.azure.com:443/workflows/x",
            "https://PROD-12.logic.Azure.US/",
            "https://dev.azure.com/organisation/project",
            "https://organisation.visualstudio.com/",
        ] {
            assert!(hosts.check(url).is_ok(), "{url}");
        }
        for url in [
            "https://logic.azure.com/",
            "https://.logic.azure.com/",
            "https://logic.azure.com.example.com/",
            "https://xlogic.azure.com/",
            "https://dev.azure.com.example.com/",
            "https://x.dev.azure.com/",
            "https://dev.azure.com./",
            "https://dev.azure.com:8443/",
            "http://dev.azure.com/",
            "https://dev.azure.com@example.com/",
            "https://me:secret@dev.azure.com/",
            "https://dev.azure.com/#fragment",
            "https://169.254.169.254/metadata",
            "https://[::1]/",
            "https://2852039166/",
            "https://localhost/",
            "file:///etc/passwd",
            "dev.azure.com",
            "",
        ] {
            assert!(hosts.check(url).is_err(), "{url}");
        }
    }

    #[test]
    fn an_entry_is_a_host_or_a_suffix_with_a_port_if_it_is_another() {
        let allows = |entries: &str, url: &str| {
            CallbackHosts::read(entries, true).unwrap_or_else(|| panic!("{entries}")).check(url).is_ok()
        };
        assert!(allows("callback.example.com:8443", "https://callback.example.com:8443/"));
        assert!(!allows("callback.example.com:8443", "https://callback.example.com/"));
        assert!(allows("*.example.com:8443, other.example", "https://a.b.example.com:8443/"));
        assert!(allows("*.example.com:8443, other.example", "https://other.example/"));
        assert!(allows("10.1.2.3", "https://10.1.2.3/"));
        assert!(allows("[::1]:7000", "http://[::1]:7000/"));
        assert!(allows("127.0.0.1:7000", "http://127.0.0.1:7000/"));
        assert!(!allows("127.0.0.1", "http://127.0.0.1/"), "its port is another");
        assert!(!allows("*.example.com", "https://10.1.2.3/"));
        let strict = CallbackHosts::read("127.0.0.1:7000", false).unwrap();
        assert!(strict.check("http://127.0.0.1:7000/").is_err());
        for wrong in
            ["", "a,,b", "*", "*.", "a/b", "u@a", "a?b", "https://a", "*.10.1.2.3", "a b", "a:x", "a.*"]
        {
            assert!(CallbackHosts::read(wrong, true).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn without_hosts_nothing_is_called_and_the_setting_is_named() {
        let refused = CallbackHosts::default().check("https://dev.azure.com/?sig=s3cret").unwrap_err();
        assert!(refused.remedy.contains("APIM_DR_CALLBACK_HOSTS"), "{refused}");
        assert!(!refused.to_string().contains("s3cret"), "{refused}");
    }
}
