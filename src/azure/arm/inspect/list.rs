//! Lists, which come in pages, and how many are in them.

use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use url::Url;

use super::{Question, parsed, unreadable};
use crate::{
    azure::{
        arm::{Arm, lro::is_same_place},
        http::shown,
    },
    domain::AzureError,
    ports::{Access, ReadError},
};

/// More than any list here has; a list that has more may have no end.
const MAX_PAGES: usize = 50;

/// A page. What has no `value` is none.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    value: Vec<T>,
    count: Option<u64>,
    next_link: Option<String>,
}

impl Arm {
    /// All items of a list. `more` is what the query asks for besides.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        question: &Question<'_>,
        more: &str,
        access: &Access,
    ) -> Result<Vec<T>, ReadError> {
        let mut url = self.question_url(question, more)?;
        let mut items = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = self.page(question, &url, access).await?;
            items.extend(page.value);
            match page.next_link {
                Some(link) => url = self.next_page(&url, &link)?,
                None => return Ok(items),
            }
        }
        let error = format!("the list {} has more than {MAX_PAGES} pages", shown(&url));
        Err(ReadError::Definite(AzureError::local(error)))
    }

    /// How many there are in a list of API Management. That `count` is on all pages together says its specification
    /// (2022-08-01), and no recording: where it is missing, or cannot be that, the items are counted.
    pub(super) async fn count(&self, question: &Question<'_>, access: &Access) -> Result<u64, ReadError> {
        let url = self.question_url(question, "&$top=1")?;
        let Page::<IgnoredAny> { value, count, next_link } = self.page(question, &url, access).await?;
        let here = value.len() as u64;
        match (count, next_link) {
            (Some(count), None) => Ok(count),
            (Some(count), Some(_)) if count > here => Ok(count),
            (None, None) => Ok(here),
            _ => Ok(self.list::<IgnoredAny>(question, "", access).await?.len() as u64),
        }
    }

    async fn page<T: DeserializeOwned>(
        &self,
        question: &Question<'_>,
        url: &Url,
        access: &Access,
    ) -> Result<Page<T>, ReadError> {
        let response = self.ask(question, url.clone(), access).await?;
        let page = parsed(&response).and_then(|body| serde_json::from_value(body).ok());
        page.ok_or_else(|| unreadable(url, response))
    }

    /// Where the next page is, if that is Azure Resource Manager: the token must go nowhere else.
    fn next_page(&self, url: &Url, link: &str) -> Result<Url, ReadError> {
        Url::parse(link).ok().filter(|next| is_same_place(&self.endpoints.arm, next)).ok_or_else(|| {
            let error = format!("the next page of {} is not Azure Resource Manager's", shown(url));
            let remedy = "set APIM_DR_ARM_ENDPOINT to the host that Azure names in its answers";
            ReadError::Definite(AzureError::local(error).with_remedy(remedy))
        })
    }
}
