//! `template.yaml` held against CloudFormation's own reference, where linters say nothing: which
//! functions a section takes, which attributes a resource has, what is made in which order, and what
//! is left of a stack that could not be made.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::sam::Template;

/// What `Rules` take; all else is refused with the change set.
const IN_RULES: &[&str] = &[
    "Ref",
    "Fn::And",
    "Fn::Contains",
    "Fn::EachMemberEquals",
    "Fn::EachMemberIn",
    "Fn::Equals",
    "Fn::Not",
    "Fn::Or",
    "Fn::RefAll",
    "Fn::ValueOf",
    "Fn::ValueOfAll",
];
/// What `Conditions` take.
const IN_CONDITIONS: &[&str] = &[
    "Ref",
    "Condition",
    "Fn::And",
    "Fn::Equals",
    "Fn::FindInMap",
    "Fn::Join",
    "Fn::Not",
    "Fn::Or",
    "Fn::Select",
    "Fn::Split",
    "Fn::Sub",
];
/// What properties and outputs take.
const IN_VALUES: &[&str] = &[
    "Ref",
    "Fn::Base64",
    "Fn::Cidr",
    "Fn::FindInMap",
    "Fn::GetAZs",
    "Fn::GetAtt",
    "Fn::If",
    "Fn::ImportValue",
    "Fn::Join",
    "Fn::Select",
    "Fn::Split",
    "Fn::Sub",
];
/// The parts of the API that are made one after another.
const PARTS_OF_THE_API: [&str; 5] = [
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::RouteResponse",
    "AWS::ApiGatewayV2::Stage",
];

/// The attributes that `GetAtt` finds on a resource.
fn attributes(resource: &Value) -> &'static [&'static str] {
    match resource["Type"].as_str().expect("a type") {
        "AWS::ApiGatewayV2::Api" => &["ApiEndpoint", "ApiId"],
        // Without a stream, StreamArn fails when the stack is made.
        "AWS::DynamoDB::Table" if resource["Properties"]["StreamSpecification"].is_object() => {
            &["Arn", "StreamArn", "TableId"]
        }
        "AWS::DynamoDB::Table" => &["Arn", "TableId"],
        "AWS::Logs::LogGroup" => &["Arn"],
        "AWS::S3::Bucket" => {
            &["Arn", "DomainName", "DualStackDomainName", "RegionalDomainName", "WebsiteURL"]
        }
        "AWS::Serverless::Function" => &["Arn"],
        _ => &[],
    }
}

/// The function that an object stands for: its name and what it is given.
fn function(value: &Value) -> Option<(&str, &Value)> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    let (name, given) = object.iter().next()?;
    let is_function = match name.as_str() {
        "Ref" => true,
        // An IAM statement has a `Condition` of its own, which is an object.
        "Condition" => given.is_string(),
        name => name.starts_with("Fn::"),
    };
    is_function.then_some((name.as_str(), given))
}

/// Calls `see` with each function in a value, outer ones first, and the conditions it stands under.
fn functions<'a>(
    value: &'a Value,
    under: &mut Vec<&'a str>,
    see: &mut dyn FnMut(&'a str, &'a Value, &[&'a str]),
) {
    let called = function(value);
    if let Some((name, given)) = called {
        see(name, given, under);
    }
    match (called, value) {
        (Some(("Fn::If", given)), _) => {
            let condition = given[0].as_str().expect("an If names its condition");
            under.push(condition);
            functions(&given[1], under, see);
            under.pop();
            functions(&given[2], under, see);
        }
        (_, Value::Array(items)) => items.iter().for_each(|item| functions(item, under, see)),
        (_, Value::Object(fields)) => fields.values().for_each(|field| functions(field, under, see)),
        _ => {}
    }
}

/// What a value refers to: the name, the attribute if there is one, the conditions it stands under.
fn references(value: &Value) -> Vec<(String, Option<String>, Vec<&str>)> {
    let mut found = Vec::new();
    functions(value, &mut Vec::new(), &mut |name, given, under| {
        let mut refer = |to: &str| {
            let (id, attribute) = match to.split_once('.') {
                Some((id, attribute)) => (id, Some(attribute.to_owned())),
                None => (to, None),
            };
            found.push((id.to_owned(), attribute, under.to_vec()));
        };
        match name {
            "Ref" => refer(given.as_str().expect("a name")),
            "Fn::GetAtt" => {
                let path = given.as_array().expect("a resource and its attribute").iter();
                refer(&path.map(|part| part.as_str().expect("a name")).collect::<Vec<_>>().join("."));
            }
            "Fn::Sub" => {
                let text = given.as_str().expect("a Sub of one text");
                let variables = text.split("${").skip(1).map(|rest| rest.split('}').next().unwrap_or(""));
                variables.filter(|variable| !variable.starts_with('!')).for_each(refer);
            }
            _ => {}
        }
    });
    found
}

fn resources() -> &'static serde_json::Map<String, Value> {
    Template::read().section("Resources").as_object().expect("resources")
}

fn names(section: &str) -> BTreeSet<&'static str> {
    let fields = Template::read().section(section).as_object();
    fields.into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

fn is_pseudo_parameter(name: &str) -> bool {
    let known = ["AccountId", "NoValue", "Partition", "Region", "StackId", "StackName", "URLSuffix"];
    name.strip_prefix("AWS::").is_some_and(|name| known.contains(&name))
}

fn assert_only(allowed: &[&str], value: &Value, place: &str) {
    functions(value, &mut Vec::new(), &mut |name, given, _| {
        assert!(allowed.contains(&name), "{place} takes no {name}: {given}");
    });
}

#[test]
fn functions_stand_where_cloudformation_takes_them() {
    let template = Template::read();
    for (id, resource) in resources() {
        for (attribute, value) in resource.as_object().expect("attributes") {
            let allowed = if attribute == "Properties" { IN_VALUES } else { &[] };
            assert_only(allowed, value, &format!("{attribute} of {id}"));
        }
    }
    assert_only(&[], template.section("Parameters"), "Parameters");
    assert_only(IN_RULES, template.section("Rules"), "Rules");
    assert_only(IN_CONDITIONS, template.section("Conditions"), "Conditions");
    assert_only(IN_VALUES, template.section("Globals"), "Globals");
    assert_only(IN_VALUES, template.section("Outputs"), "Outputs");
    // Neither is evaluated when there are resources yet.
    for section in ["Rules", "Conditions"] {
        for (name, _, _) in references(template.section(section)) {
            assert!(names("Parameters").contains(name.as_str()), "{section}: {name} is no parameter");
        }
    }
}

#[test]
fn whatever_is_named_is_there() {
    let template = Template::read();
    let mut named = BTreeSet::new();
    for section in ["Globals", "Resources", "Outputs", "Conditions", "Rules"] {
        for (name, attribute, _) in references(template.section(section)) {
            match (resources().get(&name), attribute) {
                (Some(resource), Some(attribute)) => {
                    let attributes = attributes(resource);
                    assert!(attributes.contains(&attribute.as_str()), "{name} has no {attribute}");
                }
                (None, Some(attribute)) => panic!("{name}.{attribute}: there is no such resource"),
                (resource, None) => {
                    let is_there = resource.is_some()
                        || names("Parameters").contains(name.as_str())
                        || is_pseudo_parameter(&name);
                    assert!(is_there, "there is no {name}");
                }
            }
            named.insert(name);
        }
        functions(template.section(section), &mut Vec::new(), &mut |name, given, _| {
            let condition = match name {
                "Fn::If" => given[0].as_str(),
                "Condition" => given.as_str(),
                _ => None,
            };
            let is_there = condition.is_none_or(|condition| names("Conditions").contains(condition));
            assert!(is_there, "there is no condition {condition:?}");
        });
    }
    let unused: Vec<_> = names("Parameters").into_iter().filter(|name| !named.contains(*name)).collect();
    assert!(unused.is_empty(), "parameters that nothing reads: {unused:?}");
}

/// A reference to what a condition leaves out is refused.
#[test]
fn what_may_be_left_out_is_named_under_its_condition_only() {
    let conditional =
        resources().iter().filter_map(|(id, resource)| Some((id, resource["Condition"].as_str()?)));
    let conditional: BTreeMap<_, _> = conditional.collect();
    assert!(!conditional.is_empty());
    for (id, resource) in resources() {
        for (name, _, mut under) in references(resource) {
            under.extend(resource["Condition"].as_str());
            if let Some(condition) = conditional.get(&name) {
                assert!(under.contains(condition), "{id} names {name}, which may not be there");
            }
        }
    }
}

/// What each resource waits for, after SAM has made more of them: a function gets a role, and each of
/// its schedules a rule and a permission.
fn waits() -> BTreeMap<String, BTreeSet<String>> {
    let is_resource = |name: &str| resources().contains_key(name);
    let named = |value: &Value| {
        let named = references(value).into_iter().map(|(name, _, _)| name);
        named.filter(|name| is_resource(name)).collect::<BTreeSet<_>>()
    };
    let mut waits: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (id, resource) in resources() {
        let mut own = named(&resource["Properties"]);
        let after = &resource["DependsOn"];
        let after = after.as_array().cloned().unwrap_or_else(|| vec![after.clone()]);
        for after in after.iter().filter_map(Value::as_str) {
            assert!(is_resource(after), "{id} depends on {after}, which is not there");
            own.insert(after.to_owned());
        }
        if resource["Type"] == "AWS::Serverless::Function" {
            let properties = &resource["Properties"];
            let (role, policies) = (format!("{id}Role"), named(&properties["Policies"]));
            let mut without = properties.clone();
            without.as_object_mut().expect("properties").remove("Policies");
            own = named(&without);
            own.extend(named(Template::read().section("Globals")));
            own.insert(role.clone());
            waits.insert(role, policies);
            for event in properties["Events"].as_object().into_iter().flatten().map(|(name, _)| name) {
                let rule = format!("{id}{event}");
                waits.insert(format!("{rule}Permission"), BTreeSet::from([id.clone(), rule.clone()]));
                waits.insert(rule, BTreeSet::from([id.clone()]));
            }
        }
        waits.insert(id.clone(), own);
    }
    waits
}

/// All that a resource waits for, directly or not.
fn waits_in_all(id: &str, waits: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let (mut all, mut next) = (BTreeSet::new(), vec![id.to_owned()]);
    while let Some(id) = next.pop() {
        for before in waits.get(&id).into_iter().flatten() {
            if all.insert(before.clone()) {
                next.push(before.clone());
            }
        }
    }
    all
}

#[test]
fn nothing_waits_for_itself() {
    let waits = waits();
    assert!(waits.len() > resources().len(), "SAM adds its own");
    for id in waits.keys() {
        assert!(!waits_in_all(id, &waits).contains(id), "{id} waits for itself");
    }
}

/// API Gateway refuses two changes of one API at once, and a stage that is made first shows nothing.
#[test]
fn the_api_is_made_part_by_part_and_the_stage_last() {
    let waits = waits();
    let is_part = |resource: &Value| PARTS_OF_THE_API.iter().any(|part| resource["Type"] == *part);
    let parts: Vec<&String> =
        resources().iter().filter(|(_, part)| is_part(part)).map(|(id, _)| id).collect();
    assert!(parts.len() > 20, "{parts:?}");
    let before: BTreeMap<&String, BTreeSet<String>> =
        parts.iter().map(|part| (*part, waits_in_all(part, &waits))).collect();
    for (number, one) in parts.iter().enumerate() {
        for other in &parts[..number] {
            let ordered = before[one].contains(*other) || before[other].contains(*one);
            assert!(ordered, "{one} and {other} are made at once");
        }
    }
    let (stage, _) = Template::read().resources("AWS::ApiGatewayV2::Stage").pop_first().expect("a stage");
    assert_eq!(before[&stage.to_owned()].iter().filter(|id| parts.contains(id)).count(), parts.len() - 1);
}

#[test]
fn a_deployment_that_failed_leaves_nothing_in_the_way_of_the_next() {
    let template = Template::read();
    let mut kept = BTreeSet::new();
    for (id, resource) in resources() {
        let properties = resource["Properties"].as_object().expect("properties");
        for name in ["TableName", "BucketName", "LogGroupName", "FunctionName", "RoleName", "AlarmName"] {
            // A permission and a mapping name a function by reference.
            let given = properties.get(name).filter(|value| value.get("Ref").is_none());
            assert_eq!(given, None, "{id} cannot be made while another of its name is there");
        }
        match resource["DeletionPolicy"].as_str() {
            None | Some("Delete") => {}
            Some(policy) => {
                assert_eq!(policy, "RetainExceptOnCreate", "{id}");
                assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{id}");
                kept.insert(resource["Type"].as_str().expect("a type"));
            }
        }
        if let Some(protected) = properties.get("DeletionProtectionEnabled") {
            assert_eq!(protected, &json!({"Ref": "DeletionProtection"}), "{id}");
        }
    }
    assert_eq!(kept, BTreeSet::from(["AWS::DynamoDB::Table", "AWS::S3::Bucket"]));
    let protection = &template.section("Parameters")["DeletionProtection"];
    assert_eq!(protection["Default"], "false", "CloudFormation cannot clean up what is protected");
}

/// Without it, a missing object is answered 403, which is no "not there".
#[test]
fn who_reads_objects_may_list_the_bucket() {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let mut readers = 0;
    for function in Template::read().functions().values() {
        let statements = function.statements();
        let may = |action: &str| {
            let allowing =
                statements.iter().filter(|statement| list(&statement["Action"]).contains(&json!(action)));
            allowing.map(|statement| &statement["Resource"]).collect::<Vec<_>>()
        };
        if !may("s3:GetObject").is_empty() {
            readers += 1;
            let bucket = json!({"Fn::GetAtt": ["Bucket", "Arn"]});
            assert!(may("s3:ListBucket").contains(&&bucket), "{}", function.binary);
        }
    }
    assert_eq!(readers, 3, "sync, materializer, snapshotter");
}

#[test]
fn what_runs_is_bounded_and_watched() {
    let template = Template::read();
    let (_, stage) = template.resources("AWS::ApiGatewayV2::Stage").pop_first().expect("a stage");
    for limit in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
        assert!(stage["DefaultRouteSettings"][limit]["Ref"].is_string(), "{limit}");
    }
    // Only where the account has a role for it, and nothing of the query string, which may hold a token.
    let access_log = &stage["AccessLogSettings"]["Fn::If"];
    assert_eq!(
        (&access_log[0], &access_log[2]),
        (&json!("WritesAccessLog"), &json!({"Ref": "AWS::NoValue"}))
    );
    let format = access_log[1]["Format"].as_str().expect("a format");
    assert!(format.contains("$context.requestId") && !format.contains('\n'), "{format}");
    assert!(!format.contains("querystring") && !format.contains("requestOverride"), "{format}");
    serde_json::from_str::<Value>(format).expect("a line of the access log is JSON");

    let alarms = template.resources("AWS::CloudWatch::Alarm");
    for (id, mapping) in template.resources("AWS::Lambda::EventSourceMapping") {
        let dimensions = json!([{"Name": "FunctionName", "Value": mapping["FunctionName"]}]);
        let watched = alarms.values().any(|alarm| {
            (&alarm["Namespace"], &alarm["MetricName"]) == (&json!("AWS/Lambda"), &json!("IteratorAge"))
                && alarm["Dimensions"] == dimensions
        });
        assert!(watched, "nobody is told when {id} falls behind");
    }
    for binary in ["send_op", "materializer", "broadcaster"] {
        // An account's first quota leaves none to reserve, so that a number of our own would be refused.
        let reserved = &template.functions()[binary].properties["ReservedConcurrentExecutions"]["Fn::If"];
        assert_eq!(
            (&reserved[0], &reserved[2]),
            (&json!("ReservesConcurrency"), &json!({"Ref": "AWS::NoValue"}))
        );
    }
}

/// Whoever deploys without a word on access gets one that asks for tokens, or an error that says how to go on.
#[test]
fn access_is_demanded_unless_told_otherwise() {
    let template = Template::read();
    let parameters = template.section("Parameters");
    assert_eq!(parameters["AuthMode"]["Default"], "jwt");
    assert_eq!(parameters["AuthMode"]["AllowedValues"], json!(["jwt", "open"]));
    assert_eq!(parameters["DefaultAccess"]["Default"], "none");
    assert_eq!(
        template.section("Conditions")["DemandsTokens"],
        json!({"Fn::Equals": [{"Ref": "AuthMode"}, "jwt"]})
    );

    let rule = &template.section("Rules")["TokensHaveKeys"];
    assert_eq!(rule["RuleCondition"], json!({"Fn::Equals": [{"Ref": "AuthMode"}, "jwt"]}));
    let is_empty = |name: &str| json!({"Fn::Equals": [{"Ref": name}, ""]});
    let empty = [is_empty("JwksUrl"), is_empty("JwksSecretArn")];
    let asserted: Vec<&Value> =
        rule["Assertions"].as_array().expect("assertions").iter().map(|one| &one["Assert"]).collect();
    assert_eq!(asserted, [&json!({"Fn::Not": [{"Fn::And": empty}]}), &json!({"Fn::Or": empty})]);

    // The keys are the authorizer's alone.
    for function in template.functions().values() {
        let of_keys = ["JwksUrl", "JwksSecretArn"].map(|name| json!({"Ref": name}));
        let has_keys =
            references(function.properties).iter().any(|(name, ..)| of_keys.contains(&json!({"Ref": name})));
        assert_eq!(has_keys, function.binary == "authorizer", "{}", function.binary);
        let may_read_secrets = function
            .statements()
            .iter()
            .any(|statement| statement["Action"].to_string().contains("secretsmanager"));
        assert_eq!(may_read_secrets, function.binary == "authorizer", "{}", function.binary);
    }
}
