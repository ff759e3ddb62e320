//! Keys in a secret of AWS Secrets Manager, read through the SDK and kept as long as the verifier says.
//!
//! Not as a variable that the template resolves: whoever may look at a function could then sign tokens with its HMAC
//! keys, and a new key would take a deployment. Not through AWS's extension: its layer has another ARN in every
//! region, and starts with every cold start.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use futures::FutureExt as _;
use inklog_access::KeySource;
use inklog_store::config;

/// A key that was taken out is still good for this long; one that is new is found at once.
const AGE_MAX: Duration = Duration::from_secs(10 * 60);

/// The current version of a secret.
pub(super) async fn source(arn: String) -> KeySource {
    let client = Arc::new(Client::new(&config::aws().await));
    let name = arn.clone();
    KeySource::other(name, AGE_MAX, move || {
        let request = client.get_secret_value().secret_id(&arn);
        async move {
            let secret = request.send().await.map_err(|error| {
                let error = aws_sdk_secretsmanager::Error::from(error);
                error.to_string()
            })?;
            let text = secret.secret_string.map(String::into_bytes);
            let bytes = secret.secret_binary.map(|bytes| bytes.into_inner());
            text.or(bytes).ok_or_else(|| "the secret is empty".to_owned())
        }
        .boxed()
    })
}
