//! `template.yaml` held against the code: what one of them names, the other has.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{KeySchemaElement, TableDescription};
use inklog_access::AUTH_MODE_VARIABLE;
use inklog_ingest::authorizer::settings::vars as authorizer;
use inklog_local::stack::{ROUTES, broadcaster_mapping, materializer_mapping};
use inklog_local::{EmbeddedDynamoDb, EventFilter, MappingConfig};
use inklog_protocol::limits::INTEGRATION_TIMEOUT;
use inklog_protocol::{DocId, ErrorCode, Request};
use inklog_store::config::{self, vars};
use inklog_store::{catalogue, keys, log};
use serde_json::{Value, json};

use crate::sam::{Template, lambda_packages};

/// What a `!Sub` refers to: `of("integrations/${X}", "integrations/${", "}")` is `X`.
fn referred<'a>(sub: &'a Value, before: &str, after: &str) -> &'a str {
    let text = sub["Fn::Sub"].as_str().unwrap_or_else(|| panic!("{sub} is no !Sub"));
    let name = text.split_once(before).and_then(|(_, rest)| rest.split_once(after));
    name.unwrap_or_else(|| panic!("{text} has nothing between {before} and {after}")).0
}

/// The function at the other end of an integration.
fn integrated(template: &Template, integration: &str) -> String {
    let properties = &template.resource(integration)["Properties"];
    assert_eq!(properties["IntegrationType"], "AWS_PROXY", "{integration}");
    assert_eq!(properties["IntegrationMethod"], "POST", "{integration}: Lambda is invoked with a POST");
    assert_eq!(properties["ApiId"], json!({"Ref": "WebSocketApi"}), "{integration}");
    referred(&properties["IntegrationUri"], "functions/${", ".Arn}/invocations").to_owned()
}

#[test]
fn every_route_is_wired_as_in_the_local_stack() {
    let template = Template::read();
    let functions = template.functions();
    let binary_of = |id: &str| functions.values().find(|f| f.id == id).expect("a function").binary;
    let mut routes = BTreeMap::new();
    for (id, route) in template.resources("AWS::ApiGatewayV2::Route") {
        let key = route["RouteKey"].as_str().expect("a route has a key");
        assert_eq!(route["ApiId"], json!({"Ref": "WebSocketApi"}), "{id}");
        let function = integrated(template, referred(&route["Target"], "integrations/${", "}"));
        assert_eq!(routes.insert(key, binary_of(&function)), None, "{key} is routed twice");

        // The answer to $connect and $disconnect is their status; all else is to be heard.
        let is_message = !["$connect", "$disconnect"].contains(&key);
        let selection = if is_message { json!("$default") } else { json!(null) };
        assert_eq!(route["RouteResponseSelectionExpression"], selection, "{id}");
        let responses = template.resources("AWS::ApiGatewayV2::RouteResponse");
        let responses: Vec<_> =
            responses.values().filter(|response| response["RouteId"] == json!({"Ref": id})).collect();
        assert_eq!(responses.len(), usize::from(is_message), "{id}");
        assert!(responses.iter().all(|response| response["RouteResponseKey"] == "$default"), "{id}");

        let permissions = template.resources("AWS::Lambda::Permission");
        let may_be_called = permissions.values().any(|permission| {
            permission["FunctionName"] == json!({"Ref": function})
                && permission["Principal"] == "apigateway.amazonaws.com"
        });
        assert!(may_be_called, "the API may not call {function}");
    }
    assert_eq!(routes, BTreeMap::from(ROUTES));

    let api = &template.resource("WebSocketApi")["Properties"];
    assert_eq!(api["ProtocolType"], "WEBSOCKET");
    assert_eq!(api["RouteSelectionExpression"], "$request.body.action");
    assert_eq!(template.resources("AWS::ApiGatewayV2::Stage").len(), 1);
}

/// Only $connect can have one, and a token comes in either of two ways: no identity source may be demanded.
#[test]
fn the_authorizer_stands_before_every_connection() {
    let template = Template::read();
    for (id, route) in template.resources("AWS::ApiGatewayV2::Route") {
        let (kind, authorizer) = match route["RouteKey"] == "$connect" {
            true => (
                json!({"Fn::If": ["DemandsTokens", "CUSTOM", "NONE"]}),
                json!({"Fn::If": ["DemandsTokens", {"Ref": "Authorizer"}, {"Ref": "AWS::NoValue"}]}),
            ),
            false => (Value::Null, Value::Null),
        };
        assert_eq!((&route["AuthorizationType"], &route["AuthorizerId"]), (&kind, &authorizer), "{id}");
    }
    let authorizer = template.resource("Authorizer");
    assert_eq!(authorizer["Condition"], "DemandsTokens");
    let properties = &authorizer["Properties"];
    assert_eq!(properties["AuthorizerType"], "REQUEST");
    assert_eq!(properties["IdentitySource"], Value::Null);
    let function = referred(&properties["AuthorizerUri"], "functions/${", ".Arn}/invocations");
    assert_eq!(template.functions()["authorizer"].id, function);
    let permission = &template.resource("AuthorizerPermission")["Properties"];
    assert_eq!(permission["FunctionName"], json!({"Ref": function}));
    assert_eq!(permission["Principal"], "apigateway.amazonaws.com");
    let source = permission["SourceArn"]["Fn::Sub"].as_str().expect("an ARN");
    assert!(source.ends_with(":${WebSocketApi}/authorizers/${Authorizer}"), "{source}");
}

#[test]
fn every_routed_action_is_one_of_the_protocol() {
    for (key, _) in ROUTES.iter().filter(|(key, _)| !key.starts_with('$')) {
        let code = Request::parse(&json!({"action": key}).to_string()).err().map(|refusal| refusal.code);
        assert_ne!(code, Some(ErrorCode::UnknownAction), "{key}");
    }
}

#[test]
fn every_binary_is_a_function() {
    let packages = lambda_packages();
    let binaries: Vec<&str> = packages.values().flatten().map(String::as_str).collect();
    let functions = Template::read().functions();
    assert_eq!(functions.len(), Template::read().resources("AWS::Serverless::Function").len());
    assert_eq!(functions.keys().copied().collect::<BTreeSet<_>>(), BTreeSet::from_iter(binaries.clone()));
    assert_eq!(binaries.len(), functions.len(), "two packages have a binary of one name: {packages:?}");
}

#[test]
fn functions_run_as_long_as_what_waits_for_them() {
    let template = Template::read();
    let on_the_stream = [materializer_mapping("stream"), broadcaster_mapping("stream")];
    for function in template.functions().values() {
        let seconds = match on_the_stream.iter().find(|mapping| mapping.name == function.binary) {
            Some(mapping) => mapping.function_timeout.as_secs(),
            // As long as Lambda allows.
            None if function.binary == "snapshotter" => 900,
            // A slow reader gets a state in parts after the gateway has its answer.
            None if function.binary == "sync" => 120,
            None => INTEGRATION_TIMEOUT.as_secs(),
        };
        assert_eq!(function.timeout, seconds, "{}", function.binary);
    }
}

fn keys_of(schema: Option<&[KeySchemaElement]>) -> Value {
    let keys = schema.unwrap_or_default().iter();
    keys.map(|key| json!({"AttributeName": key.attribute_name, "KeyType": key.key_type.as_str()})).collect()
}

/// A table as the template describes tables, sorted where order means nothing.
fn described(table: &TableDescription) -> Value {
    let attributes = table.attribute_definitions().iter();
    let attributes: BTreeMap<_, _> =
        attributes.map(|a| (a.attribute_name.clone(), a.attribute_type.as_str())).collect();
    let indexes = table.global_secondary_indexes().iter().map(|index| {
        let projection = index.projection.as_ref().and_then(|projection| projection.projection_type.clone());
        json!({
            "IndexName": index.index_name,
            "KeySchema": keys_of(index.key_schema.as_deref()),
            "Projection": {"ProjectionType": projection.map(|kind| kind.as_str().to_owned())},
        })
    });
    let stream = table.stream_specification.as_ref().and_then(|stream| stream.stream_view_type.clone());
    json!({
        "attributes": attributes,
        "keys": keys_of(table.key_schema.as_deref()),
        "indexes": indexes.collect::<Vec<_>>(),
        "stream": stream.map(|view| view.as_str().to_owned()),
    })
}

fn wanted(table: &Value) -> Value {
    let attributes = table["AttributeDefinitions"].as_array().expect("attributes").iter();
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let attributes: BTreeMap<_, _> =
        attributes.map(|a| (text(&a["AttributeName"]), text(&a["AttributeType"]))).collect();
    json!({
        "attributes": attributes,
        "keys": table["KeySchema"],
        "indexes": table["GlobalSecondaryIndexes"].as_array().cloned().unwrap_or_default(),
        "stream": table["StreamSpecification"]["StreamViewType"],
    })
}

#[tokio::test]
async fn tables_are_those_that_the_stores_make() {
    let embedded = EmbeddedDynamoDb::memory().await.expect("DynamoDB starts");
    let config = config::dynamodb_config(&embedded.sdk_config(), None).build();
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    log::create_table(&client, "OplogTable").await.expect("the log's table is made");
    catalogue::create_table(&client, "DocsTable").await.expect("the catalogue's table is made");

    let tables = Template::read().resources("AWS::DynamoDB::Table");
    let made = client.list_tables().send().await.expect("tables can be listed");
    assert_eq!(
        tables.keys().copied().collect::<BTreeSet<_>>(),
        made.table_names().iter().map(|n| &**n).collect()
    );
    for (id, table) in tables {
        let made = client.describe_table().table_name(id).send().await.expect("a table can be described");
        assert_eq!(wanted(table), described(&made.table.expect("a description")), "{id}");
        assert_eq!(table["BillingMode"], "PAY_PER_REQUEST", "{id}");
        assert_eq!(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true, "{id}");
    }
    embedded.stop().await;
}

/// Which variable each function needs is seen when its binary runs: `lambda_binaries`.
#[test]
fn variables_are_those_that_the_stores_read() {
    let sources =
        [include_str!("../store/src/config.rs"), include_str!("../ingest/src/authorizer/settings.rs")];
    let read: BTreeSet<&str> = sources
        .iter()
        .flat_map(|source| source.split('"'))
        .filter(|text| text.starts_with("INKLOG_") && !text.contains(' '))
        .collect();
    let on_aws_unset = BTreeSet::from([vars::DYNAMODB_ENDPOINT, vars::S3_ENDPOINT, vars::REDIS_CA_FILE]);
    assert!(read.is_superset(&on_aws_unset) && read.len() > on_aws_unset.len(), "{read:?}");

    let api = "https://${WebSocketApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/${StageName}";
    let values = BTreeMap::from([
        (vars::OPLOG_TABLE, json!({"Ref": "OplogTable"})),
        (vars::DOCS_TABLE, json!({"Ref": "DocsTable"})),
        (vars::BUCKET, json!({"Ref": "Bucket"})),
        (vars::LOG_NAME, json!({"Fn::GetAtt": ["OplogTable", "StreamArn"]})),
        (vars::REDIS_URL, json!({"Ref": "RedisUrl"})),
        (vars::API_ENDPOINT, json!({"Fn::Sub": api})),
        (AUTH_MODE_VARIABLE, json!({"Ref": "AuthMode"})),
        (vars::ALLOWED_ORIGINS, json!({"Ref": "AllowedOrigins"})),
        (authorizer::JWKS_URL, json!({"Ref": "JwksUrl"})),
        (authorizer::JWKS_SECRET_ARN, json!({"Ref": "JwksSecretArn"})),
        (authorizer::AUDIENCE, json!({"Ref": "Audience"})),
        (authorizer::ISSUER, json!({"Ref": "Issuer"})),
        (authorizer::DEFAULT_ACCESS, json!({"Ref": "DefaultAccess"})),
    ]);
    let functions = Template::read().functions();
    let mut set = BTreeSet::new();
    for function in functions.values() {
        assert_eq!(function.environment["RUST_LOG"], &json!({"Ref": "LogLevel"}));
        for name in function.variables() {
            assert_eq!(Some(function.environment[name]), values.get(name), "{name} of {}", function.binary);
            set.insert(name);
        }
    }
    let mut expected = &read - &on_aws_unset;
    expected.insert(AUTH_MODE_VARIABLE);
    assert_eq!(set, expected);
}

#[test]
fn mappings_are_those_of_the_local_stack() {
    let template = Template::read();
    let mappings = template.resources("AWS::Lambda::EventSourceMapping");
    assert_eq!(mappings.len(), 2, "a stream has two readers at most");
    for local in [materializer_mapping("stream"), broadcaster_mapping("stream")] {
        let MappingConfig { name, batch_size, batching_window, maximum_retry_attempts, .. } = local;
        let function = template.functions()[name.as_str()].id.to_owned();
        let on_aws = mappings.values().find(|mapping| mapping["FunctionName"] == json!({"Ref": function}));
        let on_aws = on_aws.unwrap_or_else(|| panic!("nothing feeds {name}"));

        let filters: Vec<Value> = on_aws["FilterCriteria"]["Filters"]
            .as_array()
            .expect("filters")
            .iter()
            .map(|filter| serde_json::from_str(filter["Pattern"].as_str().expect("a pattern")).expect("JSON"))
            .collect();
        let [filter] = &filters[..] else { panic!("{name} has one filter") };
        let names = filter["eventName"].as_array().expect("names").iter();
        let names = names.map(|name| name.as_str().expect("a name"));
        assert_eq!(local.filter, EventFilter::event_names(names), "{name}");
        assert_eq!(filter.as_object().map(|filter| filter.len()), Some(1), "{name} filters by name only");

        assert_eq!(on_aws["BatchSize"], json!(batch_size), "{name}");
        assert_eq!(on_aws["MaximumBatchingWindowInSeconds"], json!(batching_window.as_secs()), "{name}");
        let retries = maximum_retry_attempts.map_or(json!(-1), |retries| json!(retries));
        assert_eq!(on_aws["MaximumRetryAttempts"], retries, "{name}");
        let bisect = json!(local.bisect_batch_on_function_error);
        assert_eq!(on_aws["BisectBatchOnFunctionError"], bisect, "{name}");
        let partial = local.report_batch_item_failures.then_some("ReportBatchItemFailures");
        assert_eq!(on_aws["FunctionResponseTypes"], json!(Vec::from_iter(partial)), "{name}");

        assert_eq!(on_aws["EventSourceArn"], json!({"Fn::GetAtt": ["OplogTable", "StreamArn"]}), "{name}");
        assert_eq!(on_aws["StartingPosition"], "TRIM_HORIZON", "{name}: LATEST may miss events");
        let bucket = json!({"Fn::GetAtt": ["Bucket", "Arn"]});
        assert_eq!(on_aws["DestinationConfig"]["OnFailure"]["Destination"], bucket, "{name}");
    }
}

#[test]
fn what_never_gives_up_keeps_records_of_any_age() {
    let template = Template::read();
    let mapping = |id: &str| &template.resource(id)["Properties"];
    assert_eq!(mapping("MaterializerMapping")["MaximumRecordAgeInSeconds"], -1);
    let age = mapping("BroadcasterMapping")["MaximumRecordAgeInSeconds"].as_u64();
    assert!(age.is_some_and(|seconds| seconds >= 60), "AWS takes -1 or at least 60");
}

#[test]
fn policies_name_actions_and_resources() {
    let doc = DocId::new("d").expect("a document's id");
    let prefixes: BTreeSet<String> = [
        keys::objects::snapshot(&doc, 0, "n"),
        keys::objects::segment(&doc, 0, "n"),
        keys::objects::set_aside(&doc, "s"),
    ]
    .iter()
    .map(|key| format!("${{Bucket.Arn}}/{}/*", key.split('/').next().unwrap_or_default()))
    .chain([String::from("${Bucket.Arn}/aws/lambda/*")])
    .collect();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let mut used = BTreeSet::new();
    for function in Template::read().functions().values() {
        for statement in function.statements() {
            for action in list(&statement["Action"]) {
                let action = action.as_str().expect("an action");
                assert!(!action.contains('*'), "{}: {action}", function.binary);
                if ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"].contains(&action) {
                    let objects = statement["Resource"]["Fn::Sub"].as_str().expect("objects of the bucket");
                    assert!(prefixes.contains(objects), "{}: there are no {objects}", function.binary);
                    used.insert(objects.to_owned());
                }
            }
            for resource in list(&statement["Resource"]) {
                assert!(resource.is_object(), "{}: {resource} names no resource of ours", function.binary);
            }
        }
    }
    assert_eq!(used, prefixes);
}
