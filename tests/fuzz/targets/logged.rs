//! An event with its time and author: `decode_logged`.

use arbitrary::{Result, Unstructured};
use inklog_store::{decode_logged, encode_logged, logged_len};

use super::event;
use crate::driver::{Target, unsealed};
use crate::made::logged;
use crate::meter::{Bound, Meter};
use crate::mutate::mutate;

pub const TARGET: Target = Target { name: "logged", inputs: 20_000, make, check, seal: unsealed };
const BOUND: Bound = Bound { each: 128, base: 16 * 1024 };

fn make(choices: &mut Unstructured) -> Result<Vec<u8>> {
    let Some(event) = event::any(choices)? else { return Err(arbitrary::Error::IncorrectFormat) };
    let mut bytes = encode_logged(&logged(choices, event)?);
    mutate(choices, &mut bytes, 0)?;
    Ok(bytes)
}

fn check(input: &[u8], meter: &mut Meter) {
    let Ok(logged) = meter.run(input.len(), BOUND, || decode_logged(input)) else { return };
    meter.read += 1;
    assert_eq!(encode_logged(&logged), input, "two encodings of one record");
    assert_eq!(logged_len(&logged), input.len());
    event::same_as_its_ops(&logged.event);
}
