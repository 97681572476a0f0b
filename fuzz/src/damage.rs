//! Files that someone, or something, has changed.

use serde_json::{Value, json};

use crate::first;

/// The most bytes that a patch repeats.
const LONGEST: usize = 1 << 16;

/// `whole`, changed as `data` says: replaced, patched byte by byte, or, if it is JSON, with other values.
pub(crate) fn damaged(whole: &[u8], data: &[u8]) -> Vec<u8> {
    let (way, data) = first(data);
    match way % 3 {
        0 => data.to_vec(),
        1 => patched(whole, data),
        _ => edited(whole, data).unwrap_or_else(|| patched(whole, data)),
    }
}

/// Five bytes for each patch: what to do, the place, counted from the start or from the end, and a value.
fn patched(whole: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for patch in data.chunks_exact(5) {
        let &[way, high, low, value, other] = patch else { continue };
        let place = usize::from(u16::from_be_bytes([high, low]));
        let length = bytes.len();
        let at = if way & 1 == 0 { place.min(length) } else { length.saturating_sub(place) };
        match way >> 1 & 7 {
            0 | 1 => bytes[at..].iter_mut().take(1).for_each(|byte| *byte = value),
            2 => bytes[at..].iter_mut().take(1).for_each(|byte| *byte ^= value),
            3 => bytes[at..].iter_mut().take(usize::from(other)).for_each(|byte| *byte = value),
            4 => bytes.insert(at, value),
            5 => drop(bytes.drain(at..(at + usize::from(value)).min(length))),
            6 => bytes.truncate(at),
            _ => {
                let end = (at + usize::from(value) * usize::from(other)).min(length).min(at + LONGEST);
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

/// Three bytes for each edit: the place of a value, and another value. `None` if the file is not JSON.
fn edited(whole: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let mut json: Value = serde_json::from_slice(whole).ok()?;
    for edit in data.chunks_exact(3) {
        let &[high, low, value] = edit else { continue };
        let count = count(&json);
        let place = usize::from(u16::from_be_bytes([high, low])) % count;
        if let Some(found) = nth(&mut json, &mut { place }) {
            replace(found, value);
        }
    }
    serde_json::to_vec(&json).ok()
}

/// The number of values in `json`, itself included.
fn count(json: &Value) -> usize {
    1 + match json {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(object) => object.values().map(count).sum(),
        _ => 0,
    }
}

/// The value before which `left` others are.
fn nth<'v>(json: &'v mut Value, left: &mut usize) -> Option<&'v mut Value> {
    if *left == 0 {
        return Some(json);
    }
    *left -= 1;
    match json {
        Value::Array(list) => list.iter_mut().find_map(|value| nth(value, left)),
        Value::Object(object) => object.values_mut().find_map(|value| nth(value, left)),
        _ => None,
    }
}

fn replace(value: &mut Value, by: u8) {
    let deep = || (0..100).fold(json!([]), |inner, _| json!([inner]));
    *value = match by {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(false),
        3 => json!(-1),
        4 => json!(0),
        5 => json!(1),
        6 => json!(u64::MAX),
        7 => json!(i64::MIN),
        8 => json!(1_u64 << 53),
        9 => json!(1e308),
        10 => json!(0.5),
        11 => json!(-1e-30),
        12 => json!(""),
        13 => json!("\0"),
        14 => json!("x".repeat(LONGEST)),
        15 => json!([]),
        16 => json!({}),
        17 => deep(),
        18 => json!("../../etc/passwd"),
        19 => json!("[UNK]"),
        20 => json!("\u{1f600}\u{301}"),
        21..60 => {
            // One more or less, twice or half as much; of lists and objects, all but the last; of texts, a part.
            match &mut *value {
                Value::Number(number) => {
                    let number = number.as_f64().unwrap_or_default();
                    let changed = [number + 1.0, number - 1.0, number * 2.0, number / 2.0, -number];
                    let changed = changed[usize::from(by) % changed.len()];
                    if changed.fract() == 0.0 { json!(changed as i64) } else { json!(changed) }
                }
                Value::Array(list) if by.is_multiple_of(2) => json!([&list[..], &list[..]].concat()),
                Value::Array(list) => json!(list[..list.len().saturating_sub(1)]),
                Value::Object(object) => {
                    let last = object.keys().next_back().cloned();
                    last.and_then(|last| object.remove(&last));
                    json!(object)
                }
                Value::String(text) => json!(text.chars().skip(1).collect::<String>()),
                other => other.clone(),
            }
        }
        small => json!(small),
    };
}
