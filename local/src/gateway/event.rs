//! The events that API Gateway passes to functions, field for field.

use std::collections::HashMap;
use std::net::IpAddr;

use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayCustomAuthorizerRequestTypeRequestIdentity,
    ApiGatewayRequestAuthorizer, ApiGatewayRequestIdentity, ApiGatewayWebsocketProxyRequest,
    ApiGatewayWebsocketProxyRequestContext,
};
use axum::http::{HeaderMap, Uri, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::GatewayConfig;
use super::connection::Connection;
use super::ending::Ending;

/// Identity, as each event repeats it.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub source_ip: IpAddr,
    pub user_agent: Option<String>,
}

impl Caller {
    pub fn new(source_ip: IpAddr, headers: &HeaderMap) -> Self {
        let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Self { source_ip, user_agent: agent.map(str::to_owned) }
    }

    fn identity(&self) -> ApiGatewayRequestIdentity {
        let mut identity = ApiGatewayRequestIdentity::default();
        identity.source_ip = Some(self.source_ip.to_string());
        identity.user_agent = self.user_agent.clone();
        identity
    }
}

/// An id like API Gateway's: 16 characters of base64, the last of them `=`.
pub(super) fn new_id() -> String {
    let mut bytes = [0_u8; 11];
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    URL_SAFE.encode(bytes)
}

/// The event of `$connect`: the only one with headers and the query string.
pub(super) fn connect_event(
    config: &GatewayConfig,
    connection: &Connection,
    headers: &HeaderMap,
    uri: &Uri,
) -> ApiGatewayWebsocketProxyRequest {
    let mut event = event(config, connection, "$connect", "CONNECT", new_id());
    event.headers = headers.clone();
    event.multi_value_headers = headers.clone();
    let query = query_of(uri);
    // The single-valued map holds the last of several values, as on AWS.
    event.query_string_parameters = query
        .iter()
        .map(|(key, values)| (key.clone(), values.last().cloned().unwrap_or_default()))
        .collect::<HashMap<_, _>>()
        .into();
    event.multi_value_query_string_parameters = query.into();
    event
}

/// The event of a message's route.
pub(super) fn message_event(
    config: &GatewayConfig,
    connection: &Connection,
    route_key: &str,
    request_id: String,
    body: String,
) -> ApiGatewayWebsocketProxyRequest {
    let mut event = event(config, connection, route_key, "MESSAGE", request_id);
    event.request_context.message_id = Some(new_id());
    event.body = Some(body);
    event
}

/// The event of `$disconnect`.
pub(super) fn disconnect_event(
    config: &GatewayConfig,
    connection: &Connection,
    ending: &Ending,
) -> ApiGatewayWebsocketProxyRequest {
    let mut event = event(config, connection, "$disconnect", "DISCONNECT", new_id());
    event.request_context.disconnect_status_code = Some(i64::from(ending.code));
    event.request_context.disconnect_reason = Some(ending.reason.clone());
    event
}

/// The event of a REQUEST authorizer.
pub(super) fn authorizer_event(
    config: &GatewayConfig,
    connection: &Connection,
    headers: &HeaderMap,
    uri: &Uri,
) -> ApiGatewayCustomAuthorizerRequestTypeRequest {
    let connect = connect_event(config, connection, headers, uri);
    let mut request = ApiGatewayCustomAuthorizerRequestTypeRequest::default();
    request.type_ = Some("REQUEST".to_owned());
    request.method_arn = Some(format!(
        "arn:aws:execute-api:{}:{}:{}/{}/$connect",
        config.region, config.account_id, config.api_id, config.stage
    ));
    request.headers = connect.headers;
    request.multi_value_headers = connect.multi_value_headers;
    request.query_string_parameters = connect.query_string_parameters;
    request.multi_value_query_string_parameters = connect.multi_value_query_string_parameters;
    request.request_context.stage = connect.request_context.stage;
    request.request_context.request_id = connect.request_context.request_id;
    request.request_context.apiid = connect.request_context.apiid;
    let mut identity = ApiGatewayCustomAuthorizerRequestTypeRequestIdentity::default();
    identity.source_ip = connect.request_context.identity.source_ip;
    request.request_context.identity = Some(identity);
    request
}

/// The query string's parameters, decoded.
pub(super) fn query_of(uri: &Uri) -> HashMap<String, Vec<String>> {
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri);
    let mut query = HashMap::<String, Vec<String>>::new();
    for (key, value) in pairs.map(|pairs| pairs.0).unwrap_or_default() {
        query.entry(key).or_default().push(value);
    }
    query
}

fn event(
    config: &GatewayConfig,
    connection: &Connection,
    route_key: &str,
    event_type: &str,
    request_id: String,
) -> ApiGatewayWebsocketProxyRequest {
    let now = Utc::now();
    let mut context = ApiGatewayWebsocketProxyRequestContext::default();
    context.stage = Some(config.stage.clone());
    context.apiid = Some(config.api_id.clone());
    context.domain_name = Some(config.domain_name.clone());
    context.identity = connection.caller.identity();
    context.authorizer = authorizer_context(&connection.authorizer);
    context.connected_at = connection.connected_at_ms;
    context.connection_id = Some(connection.id.clone());
    context.event_type = Some(event_type.to_owned());
    context.route_key = Some(route_key.to_owned());
    context.message_direction = Some("IN".to_owned());
    context.request_time = Some(request_time(now));
    context.request_time_epoch = now.timestamp_millis();
    context.extended_request_id = Some(request_id.clone());
    context.request_id = Some(request_id);
    let mut event = ApiGatewayWebsocketProxyRequest::default();
    event.request_context = context;
    event
}

fn authorizer_context(context: &HashMap<String, String>) -> ApiGatewayRequestAuthorizer {
    let mut authorizer = ApiGatewayRequestAuthorizer::default();
    authorizer.fields =
        context.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect();
    authorizer
}

/// The common log format's time: `09/Feb/2024:18:23:28 +0000`.
fn request_time(at: DateTime<Utc>) -> String {
    at.format("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_look_like_the_real_ones() {
        let id = new_id();
        assert_eq!(id.len(), 16, "{id}");
        assert!(id.ends_with('='), "{id}");
        assert_ne!(id, new_id());
    }

    #[test]
    fn request_time_is_in_the_common_log_format() {
        let at = DateTime::from_timestamp_millis(1_707_503_008_941).unwrap();
        assert_eq!(request_time(at), "09/Feb/2024:18:23:28 +0000");
    }

    #[test]
    fn a_query_string_is_decoded_and_keeps_every_value() {
        let query = query_of(&"/dev?token=a%2Bb&x=1&x=2&empty=".parse().unwrap());
        assert_eq!(query["token"], ["a+b"]);
        assert_eq!(query["x"], ["1", "2"]);
        assert_eq!(query["empty"], [""]);
    }
}
