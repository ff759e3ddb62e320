//! JSON, changed: values of another kind, numbers and texts at their limits, fields that are missing, twice there, or
//! another's, and nesting without end.

use arbitrary::{Result, Unstructured};
use serde_json::{Value, json};

use crate::made::number;
use crate::mutate::mutate;

/// More than a message of the wire may have.
const BYTES_MAX: usize = 256 * 1024;

/// The text of a value after some changes; in one of a few, without any.
pub fn changed(choices: &mut Unstructured, mut value: Value) -> Result<Vec<u8>> {
    for _ in 0..choices.int_in_range(0..=3)? {
        change(choices, &mut value)?;
    }
    let mut text = value.to_string().into_bytes();
    match choices.int_in_range(0..=9)? {
        0 => mutate(choices, &mut text, 0)?,
        1 => repeat_a_field(choices, &mut text)?,
        2 => nest(choices, &mut text)?,
        _ => {}
    }
    // A list of lists of lists, each many times, only takes time.
    if text.len() > BYTES_MAX { Err(arbitrary::Error::IncorrectFormat) } else { Ok(text) }
}

/// Changes one place.
fn change(choices: &mut Unstructured, value: &mut Value) -> Result<()> {
    let goes_on = choices.ratio(4, 5)?;
    match value {
        Value::Array(list) if !list.is_empty() && goes_on => {
            let at = choices.int_in_range(0..=list.len() - 1)?;
            match choices.int_in_range(0..=7)? {
                0 => drop(list.remove(at)),
                1 => {
                    let copy = list[at].clone();
                    let times = choices.int_in_range(1..=40)?;
                    list.extend(std::iter::repeat_n(copy, times));
                }
                2 => list.reverse(),
                _ => change(choices, &mut list[at])?,
            }
        }
        Value::Object(fields) if !fields.is_empty() && goes_on => {
            let names: Vec<String> = fields.keys().cloned().collect();
            let name = choices.choose(&names)?;
            match choices.int_in_range(0..=9)? {
                0 => drop(fields.remove(name)),
                1 => {
                    let other = choices.choose(&names)?;
                    let copy = fields[other].clone();
                    fields.insert(name.clone(), copy);
                }
                2 => {
                    let value = fields.remove(name).unwrap_or_default();
                    fields.insert(text(choices)?, value);
                }
                _ => change(choices, fields.get_mut(name).expect("it has this name"))?,
            }
        }
        Value::Number(_) if goes_on => *value = json!(number(choices)?),
        Value::String(before) if goes_on => *value = Value::from(text_like(choices, before)?),
        other => *other = odd(choices)?,
    }
    Ok(())
}

fn odd(choices: &mut Unstructured) -> Result<Value> {
    Ok(match choices.int_in_range(0..=10)? {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(number(choices)?),
        3 => json!(-1),
        4 => json!(0.5),
        5 => json!(1e300),
        6 => json!([]),
        7 => json!({}),
        8 => json!([[], {}, null, "", 0]),
        9 => json!({"": null, "x": {"y": []}}),
        _ => json!(text(choices)?),
    })
}

fn text(choices: &mut Unstructured) -> Result<String> {
    let piece =
        choices.choose(&["", "x", "a-1", "é", "\u{0}", "..", "a~", "null", "-", "9007199254740993", "😀"])?;
    let times = choices.choose(&[1, 1, 1, 2, 40, 41, 64, 65, 128, 129, 256, 300, 4096])?;
    Ok(piece.repeat(*times))
}

/// A text near another: an id with another number, base64 with another end, a name that is too long.
fn text_like(choices: &mut Unstructured, before: &str) -> Result<String> {
    Ok(match choices.int_in_range(0..=4)? {
        0 => text(choices)?,
        1 => format!("{}-{}", before.rsplit_once('-').map_or(before, |(name, _)| name), number(choices)?),
        2 => before.chars().rev().collect(),
        3 => before.repeat(*choices.choose(&[0, 2, 70])?),
        _ => {
            let mut bytes = before.as_bytes().to_vec();
            mutate(choices, &mut bytes, 0)?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
    })
}

/// A name twice in one object.
fn repeat_a_field(choices: &mut Unstructured, text: &mut Vec<u8>) -> Result<()> {
    let opened: Vec<usize> = (0..text.len()).filter(|at| text[*at] == b'{').collect();
    if opened.is_empty() {
        return Ok(());
    }
    let at = *choices.choose(&opened)?;
    let end = text[at..].iter().position(|byte| *byte == b',').map_or(text.len(), |end| at + end + 1);
    let field = text[at + 1..end].to_vec();
    text.splice(at + 1..at + 1, field);
    Ok(())
}

/// Something far below.
fn nest(choices: &mut Unstructured, text: &mut Vec<u8>) -> Result<()> {
    let values: Vec<usize> = (0..text.len()).filter(|at| text[*at] == b':').collect();
    if values.is_empty() {
        return Ok(());
    }
    let at = choices.choose(&values)? + 1;
    let depth = *choices.choose(&[10, 126, 127, 128, 129, 1_000, 10_000])?;
    let open = *choices.choose(&["[", "{\"a\":"])?;
    let mut deep = open.repeat(depth).into_bytes();
    if choices.arbitrary()? {
        deep.extend(b"1");
        deep.extend(std::iter::repeat_n(if open == "[" { b']' } else { b'}' }, depth));
        let end = text[at..].iter().position(|byte| b",}".contains(byte)).map_or(text.len(), |end| at + end);
        text.splice(at..end, deep);
    } else {
        text.splice(at..at, deep);
    }
    Ok(())
}
