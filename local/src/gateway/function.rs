//! The functions that the gateway calls: those behind its routes, and the authorizer before them.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest,
};

/// Why a function failed. The caller of a Lambda learns only that it did.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The Lambda behind a route of a WebSocket API.
#[async_trait]
pub trait WebSocketFunction: Send + Sync + 'static {
    /// Handles one event. Calls overlap, those of one connection too: AWS promises no order.
    async fn invoke(
        &self,
        event: ApiGatewayWebsocketProxyRequest,
    ) -> Result<ApiGatewayProxyResponse, BoxError>;
}

/// What an authorizer decides about a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// The connection may open. The context comes with each of its later events, in
    /// `requestContext.authorizer`, together with `principalId`.
    Allow {
        /// Who connects.
        principal_id: String,
        /// Further values for the functions; AWS passes every value on as a string.
        context: HashMap<String, String>,
    },
    /// A policy that denies: the upgrade is refused with 403.
    Deny,
    /// The error `Unauthorized`: the upgrade is refused with 401.
    Unauthorized,
}

/// A REQUEST authorizer on `$connect`. Its answers are not cached, as on AWS for WebSocket APIs.
#[async_trait]
pub trait Authorizer: Send + Sync + 'static {
    /// Decides about one connection attempt. An error refuses the upgrade with 500.
    async fn authorize(
        &self,
        request: ApiGatewayCustomAuthorizerRequestTypeRequest,
    ) -> Result<Authorization, BoxError>;
}

#[derive(Clone)]
pub(super) struct Route {
    pub function: Arc<dyn WebSocketFunction>,
    pub has_response: bool,
}

#[derive(Clone)]
pub(super) struct AuthorizerRoute {
    pub authorizer: Arc<dyn Authorizer>,
    pub identity_sources: Vec<String>,
}

/// The routes of a WebSocket API: which function handles which route key.
#[derive(Clone, Default)]
pub struct Routes {
    routes: HashMap<String, Route>,
    pub(super) authorizer: Option<AuthorizerRoute>,
}

impl Routes {
    /// No routes: every connection is accepted, and every message is answered with `Forbidden`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a route without a route response: the `body` that the function returns is discarded.
    pub fn route(self, key: impl Into<String>, function: Arc<dyn WebSocketFunction>) -> Self {
        self.insert(key.into(), function, false)
    }

    /// Adds a route with a route response: the function's `body` is sent to the sender.
    pub fn route_with_response(self, key: impl Into<String>, function: Arc<dyn WebSocketFunction>) -> Self {
        self.insert(key.into(), function, true)
    }

    /// Puts an authorizer before `$connect`. A request that lacks one of `identity_sources`
    /// (`route.request.querystring.NAME` or `route.request.header.NAME`) gets 401 without calling it;
    /// with none of them, every request is the authorizer's to decide.
    pub fn authorizer<S: Into<String>>(
        mut self,
        authorizer: Arc<dyn Authorizer>,
        identity_sources: impl IntoIterator<Item = S>,
    ) -> Self {
        let identity_sources = identity_sources.into_iter().map(Into::into).collect();
        self.authorizer = Some(AuthorizerRoute { authorizer, identity_sources });
        self
    }

    fn insert(mut self, key: String, function: Arc<dyn WebSocketFunction>, has_response: bool) -> Self {
        self.routes.insert(key, Route { function, has_response });
        self
    }

    pub(super) fn get(&self, key: &str) -> Option<&Route> {
        self.routes.get(key)
    }

    /// The route of a message: `$request.body.action` matched exactly, otherwise `$default`.
    pub(super) fn select(&self, body: &str) -> Option<(&str, &Route)> {
        let action = action_of(body);
        let exact = action.as_deref().filter(|action| !action.starts_with('$'));
        exact
            .and_then(|action| self.routes.get_key_value(action))
            .or_else(|| self.routes.get_key_value("$default"))
            .map(|(key, route)| (key.as_str(), route))
    }
}

/// The `action` of a JSON object, if it has one that is a string. The rest of the body is ignored.
fn action_of(body: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Selector {
        #[serde(default)]
        action: Option<Action>,
    }
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Action {
        Text(String),
        Other(serde::de::IgnoredAny),
    }
    // A struct would also read itself from an array; a route is selected from an object only.
    if !body.trim_start().starts_with('{') {
        return None;
    }
    match serde_json::from_str::<Selector>(body).ok()?.action? {
        Action::Text(action) => Some(action),
        Action::Other(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_action_is_read_from_objects_only() {
        assert_eq!(action_of(r#"{"x":[1,{"action":"no"}],"action":"SEND_OP"}"#).as_deref(), Some("SEND_OP"));
        assert_eq!(action_of(r#" {"action":"\u0041"}"#).as_deref(), Some("A"));
        for body in ["", "hello", "[\"PING\"]", "{\"action\":1}", "{}", "{\"action\":\"A\"", "\"action\""] {
            assert_eq!(action_of(body), None, "{body}");
        }
    }
}
