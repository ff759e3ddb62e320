//! What a client chooses for itself, and a story cannot know: it is named where it is first met, and the
//! name stands for it from then on.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

#[derive(Default)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// What is expected, with every name that is met for the first time standing for what is there instead.
    pub fn met(&mut self, expected: &Value, actual: &Value) -> Value {
        match expected {
            Value::String(text) => {
                if let Value::String(actual) = actual {
                    self.learn(text, actual);
                }
                self.fill(text).into()
            }
            Value::Array(list) => {
                let each = list.iter().enumerate();
                each.map(|(at, one)| self.met(one, actual.get(at).unwrap_or(&Value::Null))).collect()
            }
            Value::Object(fields) => {
                let mut whole = Map::new();
                // What names an agent comes before what is said of it.
                let by_name = |(name, _): &(&String, &Value)| *name != "agent";
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_by_key(by_name);
                for (name, field) in fields {
                    let name = self.fill(name);
                    let field = self.met(field, actual.get(&name).unwrap_or(&Value::Null));
                    whole.insert(name, field);
                }
                whole.into()
            }
            _ => expected.clone(),
        }
    }

    /// A value in which names stand for what they stand for.
    pub fn filled(&mut self, value: &Value) -> Value {
        self.met(value, &Value::Null)
    }

    /// Learns the one name of a text that is not known yet.
    fn learn(&mut self, expected: &str, actual: &str) {
        let known = self.fill(expected);
        let Some((before, name, after)) = first_name(&known) else { return };
        let value = actual.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        // What is new is not what another name stands for.
        let value = value.filter(|value| !value.is_empty() && self.0.values().all(|other| other != value));
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.to_owned());
        }
    }

    fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }
}

/// A name in braces, and what stands around it.
fn first_name(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_name.then_some((before, name, after))
}
