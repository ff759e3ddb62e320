//! Messages of clients at, just under and just over every limit of the wire, several at a time. At a limit a message
//! passes; over it, the answer is the code that the protocol promises.

use arbitrary::{Result, Unstructured};
use inklog_crdt::{MAX_AGENT_LEN, MAX_DELETE_LEN, MAX_SEQ};
use inklog_protocol::limits::{
    CURSOR_LEN_MAX, DOC_ID_LEN_MAX, FRAME_BYTES_MAX, PRESENCE_BYTES_MAX, REF_BYTES_MAX,
};
use inklog_protocol::{ErrorCode, Request};
use serde_json::{Map, Value, json};

use crate::driver::for_each_seed;
use crate::made::rarely;
use crate::meter::{Bound, Meter};

const MESSAGES: u64 = 10_000;
const BOUND: Bound = Bound { each: 256, base: 16 * 1024 };

/// A message being made, and every code that it may be refused with; none: it must pass.
#[derive(Default)]
struct Made {
    fields: Map<String, Value>,
    codes: Vec<ErrorCode>,
    /// Sizes that were at a limit, under, or over it.
    hits: [u64; 3],
}

impl Made {
    fn set(&mut self, name: &str, value: Value) {
        self.fields.insert(name.to_owned(), value);
    }

    /// A size around a limit, mostly one that passes; `code` is for one over it.
    fn around(&mut self, choices: &mut Unstructured, limit: usize, code: ErrorCode) -> Result<usize> {
        let which = choices.int_in_range(0..=9)?;
        Ok(match which {
            0 => {
                self.codes.push(code);
                self.hits[2] += 1;
                limit + 1 + choices.int_in_range(0..=2)?
            }
            1..=4 => {
                self.hits[0] += 1;
                limit
            }
            5 | 6 => {
                self.hits[1] += 1;
                limit - 1
            }
            _ => choices.int_in_range(3..=20)?,
        })
    }

    /// Sometimes a value that is never one.
    fn or(
        &mut self,
        choices: &mut Unstructured,
        good: Value,
        bad: &[Value],
        code: ErrorCode,
    ) -> Result<Value> {
        if bad.is_empty() || !rarely(choices, 25)? {
            return Ok(good);
        }
        self.codes.push(code);
        Ok(choices.choose(bad)?.clone())
    }

    fn doc(&mut self, choices: &mut Unstructured) -> Result<()> {
        let name = "d".repeat(self.around(choices, DOC_ID_LEN_MAX, ErrorCode::BadRequest)?);
        let bad = [json!(""), json!(".."), json!("a/b"), json!("é"), json!(7), Value::Null];
        let name = self.or(choices, json!(name), &bad, ErrorCode::BadRequest)?;
        self.set("docId", name);
        Ok(())
    }

    fn cursor(&mut self, choices: &mut Unstructured) -> Result<()> {
        if choices.arbitrary()? {
            let cursor = "c".repeat(self.around(choices, CURSOR_LEN_MAX, ErrorCode::BadRequest)?);
            let cursor = self.or(choices, json!(cursor), &[json!(1), json!({})], ErrorCode::BadRequest)?;
            self.set("cursor", cursor);
        }
        Ok(())
    }

    fn format(&mut self, choices: &mut Unstructured) -> Result<()> {
        let format = choices.choose(&[Value::Null, json!("ops"), json!("binary")])?.clone();
        let format = self.or(choices, format, &[json!("Ops"), json!(1)], ErrorCode::BadRequest)?;
        self.set("format", format);
        Ok(())
    }

    /// An agent's name, which is in ids as well.
    fn agent(&mut self, choices: &mut Unstructured, code: ErrorCode) -> Result<String> {
        Ok("a".repeat(self.around(choices, MAX_AGENT_LEN, code)?))
    }

    /// The place of an op that uses up `count` ids from `end` on: directly there, or as high as there are ids.
    fn seq(&mut self, choices: &mut Unstructured, end: u64, count: u64) -> Result<u64> {
        let highest = MAX_SEQ.saturating_sub(count);
        if end <= highest && choices.ratio(2, 3)? {
            return Ok(end);
        }
        if highest < end {
            self.codes.push(ErrorCode::BadOp);
            return Ok(end);
        }
        Ok(match choices.int_in_range(0..=3)? {
            0 => {
                self.codes.push(ErrorCode::BadOp);
                self.hits[2] += 1;
                highest + 1
            }
            1 => {
                self.hits[1] += 1;
                (highest - 1).max(end)
            }
            _ => {
                self.hits[0] += 1;
                highest
            }
        })
    }

    /// Another's id: at 2^53 there are no more characters.
    fn target(&mut self, choices: &mut Unstructured, count: u64) -> Result<String> {
        Ok(match choices.int_in_range(0..=8)? {
            0 => {
                self.codes.push(ErrorCode::BadOp);
                format!("bob-{}", MAX_SEQ - count + 1)
            }
            1 | 2 => format!("bob-{}", MAX_SEQ - count),
            _ => "bob-0".to_owned(),
        })
    }

    fn op(&mut self, choices: &mut Unstructured, agent: &str, end: &mut u64) -> Result<Value> {
        if choices.arbitrary()? {
            let len = self.around(choices, MAX_DELETE_LEN as usize, ErrorCode::BadOp)? as u64;
            let len = if rarely(choices, 25)? {
                self.codes.push(ErrorCode::BadOp);
                0
            } else {
                len
            };
            let seq = self.seq(choices, *end, len)?;
            *end = seq + len;
            return Ok(
                json!({"type": "delete", "id": format!("{agent}-{seq}"), "target": self.target(choices, len)?, "len": len}),
            );
        }
        let text = "é".repeat(choices.int_in_range(0..=10)?);
        if text.is_empty() {
            self.codes.push(ErrorCode::BadOp);
        }
        let count = text.chars().count() as u64;
        let seq = self.seq(choices, *end, count)?;
        *end = seq + count;
        let mut op = json!({"type": "insert", "id": format!("{agent}-{seq}"), "text": text});
        match choices.int_in_range(0..=9)? {
            0 => op["left"] = Value::Null,
            1 => op["right"] = json!(self.target(choices, 1)?),
            // Its own text, which is not there yet.
            2 => {
                self.codes.push(ErrorCode::BadOp);
                op["left"] = json!(op["id"]);
            }
            3 if seq > 0 && seq <= MAX_SEQ => op["left"] = json!(format!("{agent}-{}", seq - 1)),
            _ => op["left"] = json!(self.target(choices, 1)?),
        }
        Ok(op)
    }

    fn send(&mut self, choices: &mut Unstructured) -> Result<()> {
        self.doc(choices)?;
        let is_event = choices.ratio(3, 4)?;
        let code = if is_event { ErrorCode::BadRequest } else { ErrorCode::BadOp };
        let agent = self.agent(choices, code)?;
        let after = if rarely(choices, 5)? { MAX_SEQ - 200_000 } else { choices.int_in_range(0..=9)? };
        let mut end = after;
        if !is_event {
            let op = self.op(choices, &agent, &mut end)?;
            self.set("op", op);
            return Ok(());
        }
        let mut ops = Vec::new();
        for _ in 0..choices.int_in_range(0..=4)? {
            ops.push(self.op(choices, &agent, &mut end)?);
        }
        if ops.is_empty() {
            self.codes.push(ErrorCode::BadOp);
        }
        if rarely(choices, 12)? && after > 0 && !ops.is_empty() && self.codes.is_empty() {
            self.codes.push(ErrorCode::BadChain);
            ops[0] = json!({"type": "delete", "id": format!("{agent}-{}", after - 1), "target": "bob-0"});
            ops.truncate(1);
        }
        self.set("agent", json!(agent));
        let bad = [json!(-1), json!(0.5), json!("0"), Value::Null];
        let after = self.or(choices, json!(after), &bad, ErrorCode::BadRequest)?;
        self.set("after", after);
        self.set("ops", json!(ops));
        Ok(())
    }

    fn presence(&mut self, choices: &mut Unstructured) -> Result<()> {
        self.doc(choices)?;
        let agent = self.agent(choices, ErrorCode::BadRequest)?;
        self.set("agent", json!(agent));
        let bytes = self.around(choices, PRESENCE_BYTES_MAX, ErrorCode::TooLarge)?.max(8);
        let state = json!({"x": "y".repeat(bytes - 8)});
        assert_eq!(state.to_string().len(), bytes);
        let is_null = rarely(choices, 10)? && !self.codes.contains(&ErrorCode::TooLarge);
        let state = if is_null { Value::Null } else { state };
        let bad = [json!([]), json!("x"), json!(1)];
        let state = self.or(choices, state, &bad, ErrorCode::BadRequest)?;
        self.set("state", state);
        Ok(())
    }

    fn sync(&mut self, choices: &mut Unstructured) -> Result<()> {
        self.doc(choices)?;
        self.cursor(choices)?;
        self.format(choices)?;
        let bad = [json!(1), json!("true")];
        let confirm = self.or(choices, json!(true), &bad, ErrorCode::BadRequest)?;
        self.set("confirm", confirm);
        let mut version = Map::new();
        for n in 0..choices.int_in_range(0..=3)? {
            let agent = self.agent(choices, ErrorCode::BadRequest)?;
            let agent = format!("{n}{}", &agent[1..]);
            let end = choices.choose(&[0, 1, MAX_SEQ - 1, MAX_SEQ])?;
            let bad = [json!(-1), json!(1.5), json!("1"), json!(MAX_SEQ + 1)];
            let end = self.or(choices, json!(end), &bad, ErrorCode::BadRequest)?;
            version.insert(agent, end);
        }
        self.set("version", Value::Object(version));
        Ok(())
    }
}

fn message(choices: &mut Unstructured) -> Result<(String, Made)> {
    let mut made = Made::default();
    let action = *choices.choose(&[
        "JOIN_DOC",
        "SEND_OP",
        "SEND_OP",
        "SYNC_STATE",
        "PRESENCE",
        "LEAVE_DOC",
        "PING",
    ])?;
    match action {
        "JOIN_DOC" => {
            made.doc(choices)?;
            made.cursor(choices)?;
            made.format(choices)?;
        }
        "SEND_OP" => made.send(choices)?,
        "SYNC_STATE" => made.sync(choices)?,
        "PRESENCE" => made.presence(choices)?,
        "LEAVE_DOC" => made.doc(choices)?,
        _ => {}
    }
    let unknown = [Value::Null, json!("join_doc"), json!("X"), json!(1)];
    let action = json!(action);
    let is_known = !rarely(choices, 40)?;
    if !is_known {
        made.codes = vec![ErrorCode::UnknownAction];
    }
    made.set("action", if is_known { action } else { choices.choose(&unknown)?.clone() });
    if rarely(choices, 3)? {
        // It is looked at before the rest.
        let before = std::mem::take(&mut made.codes);
        let bytes = made.around(choices, REF_BYTES_MAX, ErrorCode::BadRequest)?;
        made.set("ref", json!("r".repeat(bytes - 2)));
        if made.codes.is_empty() {
            made.codes = before;
        }
    }
    let mut text = Value::Object(made.fields.clone()).to_string();
    if rarely(choices, 4)? {
        // And so is the frame as a whole, which a field of tomorrow fills up.
        let before = std::mem::take(&mut made.codes);
        let bytes = made.around(choices, FRAME_BYTES_MAX, ErrorCode::TooLarge)?;
        let envelope = r#","new":"""#.len();
        if let Some(room) = bytes.checked_sub(text.len() + envelope) {
            text.truncate(text.len() - 1);
            text.push_str(&format!(r#","new":"{}"}}"#, "é".repeat(room / 2) + &"n".repeat(room % 2)));
            assert_eq!(text.len(), bytes);
        }
        if made.codes.is_empty() {
            made.codes = before;
        }
    }
    Ok((text, made))
}

#[test]
fn a_size_at_its_limit_passes_and_one_over_it_has_its_code() {
    let mut meter = Meter::default();
    let (mut passed, mut refused, mut hits) = (0, 0, [0; 3]);
    let made = for_each_seed("limits", MESSAGES, |choices| {
        let Ok((text, made)) = message(choices) else { return false };
        let parsed = meter.run(text.len(), BOUND, || Request::parse(&text));
        match parsed {
            Ok(_) => {
                assert!(
                    made.codes.is_empty(),
                    "it passes, though it should be refused with {:?}: {text}",
                    made.codes
                );
                passed += 1;
            }
            Err(refusal) => {
                let expected = &made.codes;
                assert!(expected.contains(&refusal.code), "{refusal:?}, but expected {expected:?}: {text}");
                refused += 1;
            }
        }
        hits.iter_mut().zip(made.hits).for_each(|(all, more)| *all += more);
        true
    });
    let [at, under, over] = hits;
    println!(
        "fuzz limits: {made} messages, {passed} pass, {refused} are refused; {at} sizes at a limit, {under} under, {over} over"
    );
    assert!(
        passed > made / 5 && refused > made / 5 && at > made / 5 && under > made / 10 && over > made / 10
    );
}
