//! The authorizer before `$connect`: the one function that reads tokens, and the only one that has the keys.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayCustomAuthorizerResponse,
};
use aws_lambda_events::http::{HeaderMap, header};
use aws_lambda_events::iam::{IamPolicyEffect, IamPolicyStatement};
use inklog_access::{Identity, LiveError, LiveVerifier};
use inklog_store::{Clock, Revocations};
use lambda_runtime::Diagnostic;

mod keys_in_secret;
pub mod settings;

use crate::gate::is_revoked;

/// Before a token in a subprotocol, because browsers cannot set headers.
const TOKEN_PROTOCOL: &str = "inklog.jwt.";
/// The parameter of the query string that may hold one instead, which access logs may keep.
const TOKEN_PARAMETER: &str = "token";

/// The answer that lets a connection open: a policy, and the identity as the context of all its events.
pub type Allowed = ApiGatewayCustomAuthorizerResponse<HashMap<String, String>>;

/// Why a connection does not open. Whoever asks learns no more than the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// No token, or none that is good: API Gateway answers 401 to this very message.
    #[error("Unauthorized")]
    Unauthorized,
    /// Keys or revocations cannot be had, so nothing is known of the token: API Gateway answers 500.
    #[error("access cannot be checked now")]
    Unavailable,
}

impl From<NotAllowed> for Diagnostic {
    fn from(reason: NotAllowed) -> Diagnostic {
        let error_type = match reason {
            NotAllowed::Unauthorized => "Unauthorized",
            NotAllowed::Unavailable => "Unavailable",
        };
        Diagnostic { error_type: error_type.to_owned(), error_message: reason.to_string() }
    }
}

/// Verifies the token of each connection attempt. A token without any right may connect, too: the right is
/// asked for with each document.
pub struct Authorizer {
    verifier: LiveVerifier,
    revocations: Arc<dyn Revocations>,
    clock: Arc<dyn Clock>,
    /// What the verifier counts its keys' age from.
    started: Instant,
}

impl Authorizer {
    /// With these keys, and over these revocations.
    pub fn new(
        verifier: LiveVerifier,
        revocations: Arc<dyn Revocations>,
        clock: Arc<dyn Clock>,
    ) -> Authorizer {
        Authorizer { verifier, revocations, clock, started: Instant::now() }
    }

    /// Handles one connection attempt.
    pub async fn handle(
        &self,
        request: ApiGatewayCustomAuthorizerRequestTypeRequest,
    ) -> Result<Allowed, NotAllowed> {
        let identity = self.identify(&request).await?;
        let mut statement = IamPolicyStatement::default();
        statement.action = vec!["execute-api:Invoke".to_owned()];
        statement.effect = IamPolicyEffect::Allow;
        statement.resource = vec![request.method_arn.unwrap_or_default()];
        let mut allowed = Allowed::default();
        allowed.policy_document.version = Some("2012-10-17".to_owned());
        allowed.policy_document.statement = vec![statement];
        allowed.principal_id = Some(identity.user.as_str().to_owned());
        allowed.context = identity.to_context();
        Ok(allowed)
    }

    async fn identify(
        &self,
        request: &ApiGatewayCustomAuthorizerRequestTypeRequest,
    ) -> Result<Identity, NotAllowed> {
        let Some(token) = token_of(request) else {
            tracing::info!("refused: no token, or more than one");
            return Err(NotAllowed::Unauthorized);
        };
        let now_s = self.clock.now_ms() / 1000;
        let identity = self.verifier.verify(&token, now_s, self.started.elapsed()).await;
        let identity = identity.map_err(|error| match error {
            // Never the token, nor what it says.
            LiveError::Token(error) => {
                tracing::info!(kind = error.kind(), "refused a token");
                NotAllowed::Unauthorized
            }
            LiveError::Keys(error) => {
                tracing::error!(%error, "no keys: nobody can connect");
                NotAllowed::Unavailable
            }
        })?;
        let revoked = is_revoked(&*self.revocations, &identity, None, now_s).await.map_err(|error| {
            tracing::error!(%error, "revocations cannot be read: nobody can connect");
            NotAllowed::Unavailable
        })?;
        if revoked {
            tracing::info!(kind = "revoked", user = identity.user.as_str(), "refused a token");
            return Err(NotAllowed::Unauthorized);
        }
        Ok(identity)
    }
}

/// The token of a request. Of the two ways to bring one, the subprotocol wins; of two in the same way, none
/// does: what comes between may have looked at the other.
fn token_of(request: &ApiGatewayCustomAuthorizerRequestTypeRequest) -> Option<String> {
    // AWS gives the last of several headers in the one, and all in the other.
    let mut tokens = protocols(&request.multi_value_headers);
    if tokens.is_empty() {
        tokens = protocols(&request.headers);
    }
    if tokens.is_empty() {
        let single = || request.query_string_parameters.all(TOKEN_PARAMETER);
        let values = request.multi_value_query_string_parameters.all(TOKEN_PARAMETER).or_else(single);
        tokens = values.unwrap_or_default().into_iter().map(str::to_owned).collect();
    }
    match &mut tokens[..] {
        [token] if !token.is_empty() => Some(std::mem::take(token)),
        _ => None,
    }
}

fn protocols(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|line| line.to_str().ok());
    let offered = lines.flat_map(|line| line.split(',')).map(str::trim);
    offered.filter_map(|offered| offered.strip_prefix(TOKEN_PROTOCOL)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
