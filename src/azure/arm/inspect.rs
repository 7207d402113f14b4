//! What else is asked of Azure Resource Manager: the service as it is set up, and what lies around it.
//!
//! Knows where to ask, and which right that takes. What an answer holds is read in `service` and `around`, without
//! I/O; `list` follows pages, `change` changes identities.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::{Arm, wire};
use crate::{
    azure::http::{Repeat, Request, Response, shown},
    domain::{
        AccountFacts, AzureError, Connectivity, ContainerName, Continuation, Counts, DeletedService,
        Diagnostic, IdentityChange, Inventory, Probe, RoleAssignment, ServiceId, ServiceStatus,
        StorageAccount, SubscriptionId,
    },
    ports::{Access, Inspection, ReadError},
};

mod around;
mod change;
mod list;
mod service;

const STORAGE: &str = "2023-05-01";
const AUTHORIZATION: &str = "2022-04-01";
const MONITOR: &str = "2021-05-01-preview";
/// What every gateway answers with 200, for load balancers.
const GATEWAY_HEALTH: &str = "status-0123456789abcdef";
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// A question, and the right that its answer takes.
#[derive(Debug, Clone, Copy)]
struct Question<'a> {
    /// The resource id of what the right is granted on.
    on: &'a str,
    /// The path behind it.
    path: &'a str,
    /// `None`: API Management's.
    api_version: Option<&'static str>,
    right: &'a str,
}

impl<'a> Question<'a> {
    /// About a service, in the api-version of API Management.
    fn service(on: &'a str, path: &'a str, right: &'a str) -> Self {
        Self { on, path, api_version: None, right }
    }

    fn storage(on: &'a str, path: &'a str, right: &'a str) -> Self {
        Self { on, path, api_version: Some(STORAGE), right }
    }

    /// Why it was not answered: in Azure's words, with what helps here.
    fn refused(&self, response: &Response) -> ReadError {
        let mut error = wire::azure_error(response, None);
        let known = error.remedy.take();
        let Self { on, right, .. } = self;
        // What is known of these codes is about services, and their backups.
        let is_general = known.is_none() || has_code(&error, &["AuthorizationFailed", "ResourceNotFound"]);
        error.remedy = match response.status {
            403 if is_general => Some(format!("grant the caller {right} on {on}")),
            404 if is_general && self.api_version.is_some() => Some(format!("check that there is {on}")),
            _ => known,
        };
        if response.is_transient() { ReadError::Transient(error) } else { ReadError::Definite(error) }
    }
}

impl Arm {
    fn question_url(&self, question: &Question<'_>, more: &str) -> Result<Url, ReadError> {
        let Question { on, path, api_version, .. } = question;
        let version = api_version.map_or_else(|| self.api_version.to_string(), str::to_owned);
        self.url(&format!("{on}{path}"), &version, more).map_err(ReadError::Definite)
    }

    /// The answer of `url`, if it is 200.
    async fn ask(&self, question: &Question<'_>, url: Url, access: &Access) -> Result<Response, ReadError> {
        let response = self.get(url, access).await?;
        if response.status == 200 { Ok(response) } else { Err(question.refused(&response)) }
    }

    /// The same, read by `read`, which says `None` to anything else.
    async fn read<T>(
        &self,
        question: &Question<'_>,
        access: &Access,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Result<T, ReadError> {
        let url = self.question_url(question, "")?;
        let response = self.ask(question, url.clone(), access).await?;
        parsed(&response).and_then(read).ok_or_else(|| unreadable(&url, response))
    }
}

/// The body. Without what is null or an empty text: Azure sends both for what is absent.
fn parsed(response: &Response) -> Option<Value> {
    serde_json::from_slice(&response.body).ok().map(told)
}

fn told(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null() && value.as_str() != Some(""))
            .map(|(name, value)| (name, told(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(told).collect(),
        value => value,
    }
}

/// A proxy's page, a body that broke off, or another API than we know.
fn unreadable(url: &Url, response: Response) -> ReadError {
    let error = AzureError::local(format!("the answer of {} cannot be read", shown(url)));
    ReadError::Transient(AzureError { ids: response.ids, attempts: response.attempts, ..error })
}

/// An answer of `checkNameAvailability`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Availability {
    name_available: bool,
    reason: Option<String>,
}

#[async_trait]
impl Inspection for Arm {
    fn api_version(&self) -> String {
        self.api_version.to_string()
    }

    async fn inventory(
        &self,
        service: &ServiceId,
        access: &Access,
    ) -> Result<(ServiceStatus, Inventory), ReadError> {
        let on = service.to_string();
        let question = Question::service(&on, "", "Microsoft.ApiManagement/service/read");
        let url = self.question_url(&question, "")?;
        let response = self.ask(&question, url.clone(), access).await?;
        let status = wire::service(&response.body);
        // Only without its state nobody can go on.
        let inventory = parsed(&response).as_ref().map(service::inventory);
        status.zip(inventory).ok_or_else(|| unreadable(&url, response))
    }

    async fn counts(&self, service: &ServiceId, access: &Access) -> Result<Counts, ReadError> {
        let on = service.to_string();
        let count = async |path, right| self.count(&Question::service(&on, path, right), access).await;
        let (apis, products, subscriptions, users) = tokio::try_join!(
            count("/apis", "Microsoft.ApiManagement/service/apis/read"),
            count("/products", "Microsoft.ApiManagement/service/products/read"),
            count("/subscriptions", "Microsoft.ApiManagement/service/subscriptions/read"),
            count("/users", "Microsoft.ApiManagement/service/users/read"),
        )?;
        Ok(Counts { apis, products, subscriptions, users })
    }

    async fn workspaces(&self, service: &ServiceId, access: &Access) -> Result<u64, ReadError> {
        let on = service.to_string();
        let right = "Microsoft.ApiManagement/service/workspaces/read";
        match self.count(&Question::service(&on, "/workspaces", right), access).await {
            Err(ReadError::Definite(error)) if has_no_workspaces(&error) => Ok(0),
            count => count,
        }
    }

    async fn diagnostics(&self, service: &ServiceId, access: &Access) -> Result<Vec<Diagnostic>, ReadError> {
        let on = service.to_string();
        let question = Question {
            on: &on,
            path: "/providers/Microsoft.Insights/diagnosticSettings",
            api_version: Some(MONITOR),
            right: "Microsoft.Insights/diagnosticSettings/read",
        };
        let settings: Vec<around::DiagnosticSetting> = self.list(&question, "", access).await?;
        Ok(settings.into_iter().map(Diagnostic::from).collect())
    }

    async fn portal_revision(
        &self,
        service: &ServiceId,
        access: &Access,
    ) -> Result<Option<String>, ReadError> {
        let on = service.to_string();
        let right = "Microsoft.ApiManagement/service/portalRevisions/read";
        let question = Question::service(&on, "/portalRevisions", right);
        Ok(around::current(self.list(&question, "", access).await?))
    }

    async fn connectivity(
        &self,
        service: &ServiceId,
        access: &Access,
    ) -> Result<Vec<Connectivity>, ReadError> {
        let on = service.to_string();
        let right = "Microsoft.ApiManagement/service/networkStatus/read";
        self.read(&Question::service(&on, "/networkstatus", right), access, around::connectivity).await
    }

    async fn deleted_service(
        &self,
        service: &ServiceId,
        access: &Access,
    ) -> Result<Option<DeletedService>, ReadError> {
        let on = subscription_id(&service.subscription);
        let path = "/providers/Microsoft.ApiManagement/deletedservices";
        let question = Question::service(&on, path, "Microsoft.ApiManagement/deletedservices/read");
        let deleted: Vec<around::Deleted> = self.list(&question, "", access).await?;
        let found = deleted.into_iter().find(|deleted| deleted.is_called(service.name.as_str()));
        Ok(found.map(DeletedService::from))
    }

    async fn account(
        &self,
        subscription: &SubscriptionId,
        account: &StorageAccount,
        access: &Access,
    ) -> Result<Option<AccountFacts>, ReadError> {
        let on = subscription_id(subscription);
        let path = "/providers/Microsoft.Storage/storageAccounts";
        let question = Question::storage(&on, path, "Microsoft.Storage/storageAccounts/read");
        let accounts: Vec<around::Account> = self.list(&question, "", access).await?;
        let found = accounts.into_iter().find(|found| found.is_called(account.as_str()));
        Ok(found.map(AccountFacts::from))
    }

    async fn account_exists(
        &self,
        subscription: &SubscriptionId,
        account: &StorageAccount,
        access: &Access,
    ) -> Result<bool, ReadError> {
        let on = subscription_id(subscription);
        let path = "/providers/Microsoft.Storage/checkNameAvailability";
        let question = Question::storage(&on, path, "Microsoft.Storage/checknameavailability/read");
        let url = self.question_url(&question, "")?;
        let body = serde_json::json!({ "name": account, "type": "Microsoft.Storage/storageAccounts" });
        // A POST that changes nothing.
        let body = body.to_string().into();
        let mut request = Request::post(url.clone(), "application/json", body, Repeat::Idempotent);
        request.set_client_id(&Uuid::new_v4());
        let response = self.exchange(request, access, &|| true).await.map_err(ReadError::from)?;
        if response.status != 200 {
            return Err(question.refused(&response));
        }
        let availability = parsed(&response).and_then(|body| serde_json::from_value(body).ok());
        let Availability { name_available, reason } =
            availability.ok_or_else(|| unreadable(&url, response.clone()))?;
        let is = |word: &str| reason.as_deref().is_some_and(|reason| reason.eq_ignore_ascii_case(word));
        match name_available {
            true => Ok(false),
            false if is("AlreadyExists") => Ok(true),
            // One that no account may have.
            false if is("AccountNameInvalid") => Ok(false),
            false => Err(unreadable(&url, response)),
        }
    }

    async fn cors_methods(&self, account_id: &str, access: &Access) -> Result<Vec<String>, ReadError> {
        let right = "Microsoft.Storage/storageAccounts/blobServices/read";
        let question = Question::storage(account_id, "/blobServices/default", right);
        self.read(&question, access, around::cors_methods).await
    }

    async fn container_exists(
        &self,
        account_id: &str,
        container: &ContainerName,
        access: &Access,
    ) -> Result<bool, ReadError> {
        let path = format!("/blobServices/default/containers/{container}");
        let right = "Microsoft.Storage/storageAccounts/blobServices/containers/read";
        let question = Question::storage(account_id, &path, right);
        let url = self.question_url(&question, "")?;
        match self.ask(&question, url, access).await {
            Ok(_) => Ok(true),
            // Any other 404 is the account's.
            Err(ReadError::Definite(error)) if has_code(&error, &["ContainerNotFound"]) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn roles(
        &self,
        scope: &str,
        principal: &str,
        access: &Access,
    ) -> Result<Vec<RoleAssignment>, ReadError> {
        let principal: Uuid = principal.parse().map_err(|_| {
            ReadError::Definite(AzureError::local(format!("a principal's id is a GUID, not {principal}")))
        })?;
        let question = Question {
            on: scope,
            path: "/providers/Microsoft.Authorization/roleAssignments",
            api_version: Some(AUTHORIZATION),
            right: "Microsoft.Authorization/roleAssignments/read",
        };
        let filter = format!("&$filter=principalId%20eq%20%27{principal}%27");
        let roles: Vec<around::Role> = self.list(&question, &filter, access).await?;
        Ok(roles.into_iter().map(RoleAssignment::from).collect())
    }

    async fn probe(&self, gateway_url: &str) -> Probe {
        let no_answer = |reason: String| Probe::NoAnswer { reason };
        let gateway = match self.endpoints.gateway(gateway_url) {
            Ok(gateway) => gateway,
            Err(must) => return no_answer(format!("not asked: its address {must}")),
        };
        let url = format!("{}/{GATEWAY_HEALTH}", gateway.as_str().trim_end_matches('/'));
        let status = match Url::parse(&url) {
            Ok(url) => self.http.status(&url, PROBE_TIMEOUT).await,
            Err(error) => return no_answer(error.to_string()),
        };
        match status {
            Ok(200) => Probe::Up,
            Ok(status) => Probe::Answered { status },
            Err(error) => no_answer(error.message),
        }
    }

    async fn change_identity(
        &self,
        service: &ServiceId,
        change: &IdentityChange,
        access: &Access,
    ) -> Result<Option<Continuation>, ReadError> {
        let on = service.to_string();
        let question = Question::service(&on, "", "Microsoft.ApiManagement/service/write");
        let url = self.question_url(&question, "")?;
        let mut request = Request::patch(url.clone(), "application/json", change::body(change));
        request.set_client_id(&Uuid::new_v4());
        let response = self.exchange(request, access, &|| true).await.map_err(ReadError::from)?;
        change::read(&question, &url, &response)
    }
}

fn subscription_id(subscription: &SubscriptionId) -> String {
    format!("/subscriptions/{subscription}")
}

/// Whether the api-version, or the tier, knows none.
fn has_no_workspaces(error: &AzureError) -> bool {
    has_code(error, &["InvalidResourceType", "NoRegisteredProviderFound", "MethodNotAllowedInPricingTier"])
}

fn has_code(error: &AzureError, codes: &[&str]) -> bool {
    error.code.as_deref().is_some_and(|sent| codes.iter().any(|code| code.eq_ignore_ascii_case(sent)))
}

#[cfg(test)]
mod recorded_tests;
#[cfg(test)]
mod tests;
