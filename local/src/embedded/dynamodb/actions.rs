//! DynamoDB's protocol over dynoxide's calls: one JSON object for each action that Inklog uses. An
//! action that it comes to use is a line here.

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response, StatusCode};
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");

/// What DynamoDB answers. `target` is the action with its version before it, such as
/// `DynamoDB_20120810.PutItem`; an action that is not here is an `UnknownOperationException`.
pub(super) fn answer(database: &Database, target: &str, body: &[u8]) -> Response<Bytes> {
    let action = target.rsplit('.').next().unwrap_or_default();
    let answered = match action {
        "CreateTable" => run(body, |request| database.create_table(request)),
        "DescribeTable" => run(body, |request| database.describe_table(request)),
        "ListTables" => run(body, |request| database.list_tables(request)),
        "PutItem" => run(body, |request| database.put_item(request)),
        "GetItem" => run(body, |request| database.get_item(request)),
        "UpdateItem" => run(body, |request| database.update_item(request)),
        "DeleteItem" => run(body, |request| database.delete_item(request)),
        "Query" => run(body, |request| database.query(request)),
        "Scan" => run(body, |request| database.scan(request)),
        "BatchWriteItem" => run(body, |request| database.batch_write_item(request)),
        "TransactWriteItems" => run(body, |request| database.transact_write_items(request)),
        "DescribeStream" => run(body, |request| database.describe_stream(request)),
        "GetShardIterator" => run(body, |request| database.get_shard_iterator(request)),
        "GetRecords" => run(body, |request| database.get_records(request)),
        _ => {
            let message = format!("the embedded DynamoDB does not know the action {action}");
            return refusal(StatusCode::BAD_REQUEST, "UnknownOperationException", &message);
        }
    };
    match answered {
        Ok(body) => response(StatusCode::OK, body),
        Err(error) => {
            let status = StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::BAD_REQUEST);
            response(status, error.to_json().into_bytes())
        }
    }
}

/// What is answered once nothing is served any more.
pub(super) fn stopped() -> Response<Bytes> {
    refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "the embedded DynamoDB has stopped")
}

fn run<Request: DeserializeOwned, Answer: Serialize>(
    body: &[u8],
    act: impl FnOnce(Request) -> dynoxide::Result<Answer>,
) -> dynoxide::Result<Vec<u8>> {
    let request = serde_json::from_slice(body)
        .map_err(|error| DynoxideError::SerializationException(error.to_string()))?;
    let answer = act(request)?;
    serde_json::to_vec(&answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response<Bytes> {
    let body = serde_json::json!({ "__type": code, "message": message });
    response(status, body.to_string().into_bytes())
}

fn response(status: StatusCode, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}
