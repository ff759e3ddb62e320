//! `template.yaml`, read, and the packages of the Lambdas as cargo knows them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::OnceLock;

use saphyr::{LoadableYamlNode as _, ScalarOwned, YamlOwned};
use serde_json::{Map, Value, json};

/// The template as the JSON that CloudFormation's short forms stand for: `!Ref X` is `{"Ref": "X"}`.
pub struct Template(Value);

/// One `AWS::Serverless::Function`.
pub struct Function<'a> {
    /// Its name among the resources.
    pub id: &'a str,
    /// The binary that is built for it.
    pub binary: &'a str,
    /// Its properties, without the globals.
    pub properties: &'a Value,
    /// Seconds, from the globals where it has none of its own.
    pub timeout: u64,
    /// Its variables, those of the globals included.
    pub environment: BTreeMap<&'a str, &'a Value>,
}

impl Template {
    pub fn read() -> &'static Template {
        static READ: OnceLock<Template> = OnceLock::new();
        READ.get_or_init(|| {
            let documents = YamlOwned::load_from_str(include_str!("../template.yaml"));
            let [template] = &documents.expect("template.yaml is YAML")[..] else {
                panic!("template.yaml is one document")
            };
            Template(to_json(template))
        })
    }

    /// A section of the template; null where there is none.
    pub fn section(&self, name: &str) -> &Value {
        &self.0[name]
    }

    /// Names and properties of all resources of a type.
    pub fn resources(&self, kind: &str) -> BTreeMap<&str, &Value> {
        let resources = self.0["Resources"].as_object().expect("the template has resources");
        let of_kind = resources.iter().filter(|(_, resource)| resource["Type"] == kind);
        of_kind.map(|(id, resource)| (id.as_str(), &resource["Properties"])).collect()
    }

    /// A resource of a known name, with its properties.
    pub fn resource(&self, id: &str) -> &Value {
        &self.0["Resources"][id]
    }

    /// The functions by their binaries.
    pub fn functions(&self) -> BTreeMap<&str, Function<'_>> {
        let globals = &self.0["Globals"]["Function"];
        let by_binary = self.resources("AWS::Serverless::Function").into_iter().map(|(id, properties)| {
            let binary = &self.resource(id)["Metadata"]["BuildProperties"]["Binary"];
            let binary = binary.as_str().expect("a function names its binary");
            let timeout = properties["Timeout"].as_u64().or(globals["Timeout"].as_u64());
            let environment = [globals, properties]
                .iter()
                .filter_map(|of| of["Environment"]["Variables"].as_object())
                .flat_map(|variables| variables.iter().map(|(name, value)| (name.as_str(), value)))
                .collect();
            let timeout = timeout.expect("a function has a timeout");
            (binary, Function { id, binary, properties, timeout, environment })
        });
        by_binary.collect()
    }
}

impl Function<'_> {
    /// The statements of its policies, also those that a condition adds.
    pub fn statements(&self) -> Vec<&Value> {
        let policies = self.properties["Policies"].as_array().into_iter().flatten();
        let statements = policies.flat_map(|policy| policy["Statement"].as_array().into_iter().flatten());
        statements.map(|statement| statement.get("Fn::If").map_or(statement, |choice| &choice[1])).collect()
    }

    /// The variables that are Inklog's own.
    pub fn variables(&self) -> BTreeSet<&str> {
        self.environment.keys().copied().filter(|name| name.starts_with("INKLOG_")).collect()
    }
}

fn to_json(yaml: &YamlOwned) -> Value {
    match yaml {
        YamlOwned::Value(ScalarOwned::Null) => Value::Null,
        YamlOwned::Value(ScalarOwned::Boolean(truth)) => json!(truth),
        YamlOwned::Value(ScalarOwned::Integer(number)) => json!(number),
        YamlOwned::Value(ScalarOwned::FloatingPoint(number)) => json!(number.0),
        YamlOwned::Value(ScalarOwned::String(text)) => json!(text),
        YamlOwned::Sequence(items) => items.iter().map(to_json).collect(),
        YamlOwned::Mapping(fields) => {
            let named = |(key, value): (&YamlOwned, &YamlOwned)| {
                (key.as_str().expect("keys are strings").to_owned(), to_json(value))
            };
            Value::Object(fields.iter().map(named).collect::<Map<_, _>>())
        }
        YamlOwned::Tagged(tag, value) => short_form(&tag.suffix, to_json(value)),
        other => panic!("the template has no {other:?}"),
    }
}

fn short_form(tag: &str, value: Value) -> Value {
    match (tag, &value) {
        ("Ref" | "Condition", _) => json!({ tag: value }),
        ("GetAtt", Value::String(path)) => {
            let (resource, attribute) = path.split_once('.').expect("GetAtt names an attribute");
            json!({ "Fn::GetAtt": [resource, attribute] })
        }
        _ => json!({ format!("Fn::{tag}"): value }),
    }
}

/// The workspace's packages that run on Lambda, which is those that need its runtime, each with its
/// binaries.
pub fn lambda_packages() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout).expect("cargo metadata is JSON");
    let each = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut packages = BTreeMap::new();
    for package in each(&metadata["packages"]) {
        if !each(&package["dependencies"]).iter().any(|dependency| dependency["name"] == "lambda_runtime") {
            continue;
        }
        let targets = each(&package["targets"]);
        let binaries = targets.iter().filter(|target| target["kind"] == json!(["bin"]));
        let binaries = binaries.map(|target| target["name"].as_str().expect("a name").to_owned()).collect();
        packages.insert(package["name"].as_str().expect("a name").to_owned(), binaries);
    }
    packages
}
