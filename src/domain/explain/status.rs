//! Errors that are known by their status. Last of all: every code and every message tells more.

use super::{
    Row,
    arm::{CHECK_NAMES, CHECK_TOKEN, GRANT, MAY_NOT, NOT_TAKEN},
};
use crate::domain::Phase;

const THROTTLED: &str =
    "https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling";
const MANY: &str = "too many requests were sent to Azure in this subscription, by whomever";
const SLOW_DOWN: &str = "wait: it is tried again by itself; find out who else sends that many (the activity log), or give \
                         this app an identity of its own";

pub(super) const ROWS: &[Row] = &[
    Row::code("SubscriptionRequestsThrottled", MANY, SLOW_DOWN).see(THROTTLED),
    Row::code("ResourceRequestsThrottled", MANY, SLOW_DOWN).see(THROTTLED),
    Row::code("TooManyRequests", MANY, SLOW_DOWN).see(THROTTLED),
    Row::status("429", &[429], MANY, SLOW_DOWN).see(THROTTLED),
    // How long results are kept is not documented: unverified for API Management.
    Row::status(
        "404",
        &[404, 410],
        "Azure no longer knows the operation: its results expire, which says nothing of how it went",
        "wait: the service and its blob are watched instead; if it ended so, look at the service's activity log, and at the \
         blob, before you start another one",
    )
    .during(Phase::Running),
    Row::code(
        "GatewayTimeout",
        "API Management did not answer Azure Resource Manager in time: it may work all the same",
        "wait: it is looked at again by itself; if it ended so, look at the service's activity log, and at the blob, before \
         you start another one",
    ),
    Row::status(
        "5xx",
        &[500, 502, 503, 504],
        "Azure, or a proxy before it, failed to answer: nothing is wrong with the request",
        "wait: it is tried again, or looked at, by itself; if it ended so, look at the service's activity log, and at the \
         blob, before you start another one",
    ),
    Row::bare("401", &[401], NOT_TAKEN, CHECK_TOKEN),
    Row::bare("403", &[403], MAY_NOT, GRANT),
    Row::bare("404", &[404], "there is no such service", CHECK_NAMES),
];
