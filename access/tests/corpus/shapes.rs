//! What is no token.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use inklog_access::Algorithm;
use inklog_protocol::limits::TOKEN_BYTES_MAX;
use serde_json::json;

use crate::Bad;
use crate::forge::{Forge, Random, base64url, claims, with};

pub fn corpus(forge: &Forge) -> Vec<Bad> {
    let mut corpus = Vec::new();
    for (what, token) in [
        ("nothing", ""),
        ("one dot", "."),
        ("two dots", ".."),
        ("four dots", "...."),
        ("a word", "token"),
        ("a scheme", "Bearer x.y.z"),
        ("other characters", "é.é.é"),
        ("a NUL", "\0.\0.\0"),
    ] {
        corpus.push(Bad::new("malformed", what, token));
    }
    for token in forge.valid() {
        cut(&token, &mut corpus);
        encoded_otherwise(&token, &mut corpus);
    }
    encrypted(forge, &mut corpus);
    huge(forge, &mut corpus);
    odd_json(forge, &mut corpus);
    odd_headers(forge, &mut corpus);
    corpus
}

/// A token that is valid but for its size, which is `bytes`.
pub fn of_size(forge: &Forge, bytes: usize) -> String {
    // One byte more in a part is one or two characters more: between them, the two parts reach every size.
    for header_filler in 0..4 {
        let mut header = forge.header(Algorithm::Hs256);
        header["x"] = "x".repeat(header_filler).into();
        let empty = forge.signed(Algorithm::Hs256, &header.to_string(), &with("name", json!("")).to_string());
        let about = (bytes - empty.len()) / 4 * 3;
        for filler in about.saturating_sub(4)..about + 4 {
            let claims = with("name", json!("x".repeat(filler)));
            let token = forge.signed(Algorithm::Hs256, &header.to_string(), &claims.to_string());
            if token.len() == bytes {
                return token;
            }
        }
    }
    panic!("no token has {bytes} bytes");
}

fn cut(token: &str, corpus: &mut Vec<Bad>) {
    for length in 0..token.len() {
        corpus.push(Bad::new("", format!("cut to {length}"), &token[..length]));
        corpus.push(Bad::new("", format!("begun at {}", length + 1), &token[length + 1..]));
    }
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("three parts") };
    for (what, token) in [
        ("no signature, no dot", format!("{header}.{claims}")),
        ("five parts", format!("{token}.{claims}.{signature}")),
        ("two signatures", format!("{token}.{signature}")),
        ("a dot more", format!("{token}.")),
        ("a dot before", format!(".{token}")),
        ("another separator", token.replace('.', ",")),
        ("a token twice", format!("{token}{token}")),
        ("two tokens", format!("{token} {token}")),
    ] {
        corpus.push(Bad::new("malformed", what, token));
    }
    corpus.push(Bad::new("signature", "no signature", format!("{header}.{claims}.")));
    corpus.push(Bad::new("malformed", "no header", format!(".{claims}.{signature}")));
    corpus.push(Bad::new("", "no claims", format!("{header}..{signature}")));
    corpus.push(Bad::new("", "claims as header", format!("{claims}.{header}.{signature}")));
}

/// The same bytes, written otherwise: a token must have one form only.
fn encoded_otherwise(token: &str, corpus: &mut Vec<Bad>) {
    let parts: Vec<&str> = token.split('.').collect();
    for at in 0..3 {
        let bytes = URL_SAFE_NO_PAD.decode(parts[at]).expect("it is valid");
        let mut variants = vec![
            ("padding for nothing", format!("{}=", parts[at])),
            ("a newline", format!("{}\n", parts[at])),
            ("a space before", format!(" {}", parts[at])),
            ("a line break in it", format!("{}\r\n{}", &parts[at][..8], &parts[at][8..])),
            ("percent encoding", format!("%{:02x}{}", parts[at].as_bytes()[0], &parts[at][1..])),
            ("hexadecimal", bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        ];
        let padded = URL_SAFE.encode(&bytes);
        if padded != parts[at] {
            variants.push(("padding", padded));
        }
        let standard = STANDARD_NO_PAD.encode(&bytes);
        if standard != parts[at] {
            variants.push(("the other alphabet", standard));
        }
        for (what, variant) in variants {
            let mut parts = parts.clone();
            parts[at] = &variant;
            corpus.push(Bad::new("", format!("{what} in part {at}"), parts.join(".")));
        }
        // The last character has bits that no byte takes.
        if !bytes.len().is_multiple_of(3) {
            let last = parts[at].chars().last().expect("it is not empty");
            let start = &parts[at][..parts[at].len() - 1];
            for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
                if other != last {
                    let part = format!("{start}{other}");
                    let mut parts = parts.clone();
                    parts[at] = &part;
                    corpus.push(Bad::new(
                        "",
                        format!("last character {other} in part {at}"),
                        parts.join("."),
                    ));
                }
            }
        }
    }
}

fn encrypted(forge: &Forge, corpus: &mut Vec<Bad>) {
    let header = json!({"alg": "dir", "enc": "A128GCM", "kid": forge.kid(Algorithm::Hs256)}).to_string();
    let jwe = [header.as_str(), "", "iv", "ciphertext", "tag"].map(base64url).join(".");
    corpus.push(Bad::new("malformed", "a JWE", jwe));
    let valid = forge.claiming(Algorithm::Es256, &claims());
    let parts: Vec<&str> = valid.split('.').collect();
    let flattened = json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]});
    corpus.push(Bad::new("malformed", "the JSON form", flattened.to_string()));
    let header = forge.header(Algorithm::Es256).to_string();
    corpus.push(Bad::new("malformed", "a token in a token", forge.signed(Algorithm::Es256, &header, &valid)));
}

fn huge(forge: &Forge, corpus: &mut Vec<Bad>) {
    corpus.push(Bad::new("too_long", "a byte too long", of_size(forge, TOKEN_BYTES_MAX + 1)));
    corpus.push(Bad::new("too_long", "a megabyte", "a".repeat(1 << 20)));
    corpus.push(Bad::new("too_long", "a megabyte of dots", ".".repeat(1 << 20)));
    corpus.push(Bad::new("malformed", "as many dots as fit", ".".repeat(TOKEN_BYTES_MAX)));
    let claims = with("name", json!("x".repeat(1 << 20)));
    corpus.push(Bad::new("too_long", "a megabyte, well signed", forge.claiming(Algorithm::Es256, &claims)));
}

fn odd_json(forge: &Forge, corpus: &mut Vec<Bad>) {
    let valid = claims().to_string();
    let nested = |open: &str, close: &str, n: usize| format!("{}{}", open.repeat(n), close.repeat(n));
    for n in [128, 1_000, 1_300] {
        for (what, deep) in [("lists", nested("[", "]", n)), ("a list without end", "[".repeat(n))] {
            let deep = format!(r#"{{"x":{deep},{}"#, &valid[1..]);
            let what = format!("{n} nested {what}");
            corpus.push(Bad::new("malformed", what, forge.signed(Algorithm::Hs256, &header(forge), &deep)));
        }
        let deep = format!(r#"{{"x":{},{}"#, nested("[", "]", n), &header(forge)[1..]);
        let what = format!("{n} nested lists in the header");
        corpus.push(Bad::new("malformed", what, forge.signed(Algorithm::Hs256, &deep, "{}")));
    }
    let objects = format!(r#"{{"x":{}1{},{}"#, r#"{"a":"#.repeat(200), "}".repeat(200), &valid[1..]);
    corpus.push(Bad::new(
        "malformed",
        "200 nested objects",
        forge.signed(Algorithm::Hs256, &header(forge), &objects),
    ));
    let odd = |text: String| (text.clone(), text);
    for (what, text) in [
        odd("null".into()),
        odd("[]".into()),
        odd("\"x\"".into()),
        odd("1".into()),
        odd(String::new()),
        ("a list of claims".to_owned(), format!("[{valid}]")),
        ("text behind".to_owned(), format!("{valid} x")),
        ("two objects".to_owned(), format!("{valid}{valid}")),
        ("a comment".to_owned(), format!("{valid}/**/")),
        ("a comma too many".to_owned(), format!("{},}}", &valid[..valid.len() - 1])),
        ("a byte order mark".to_owned(), format!("\u{feff}{valid}")),
        ("a NUL behind".to_owned(), format!("{valid}\0")),
        ("single quotes".to_owned(), valid.replace('"', "'")),
        ("an open string".to_owned(), valid[..valid.len() - 3].to_owned()),
    ] {
        for algorithm in [Algorithm::Hs256, Algorithm::EdDsa] {
            let token = forge.signed(algorithm, &forge.header(algorithm).to_string(), &text);
            corpus.push(Bad::new("malformed", format!("claims: {what}"), token));
        }
    }
    // Not UTF-8.
    let signed = format!("{}.{}", base64url(header(forge)), base64url(b"{\"sub\":\"\xff\xfe\"}"));
    let signature = forge.signer(Algorithm::Hs256).sign(signed.as_bytes()).expect("a signature");
    corpus.push(Bad::new(
        "malformed",
        "claims that are no UTF-8",
        format!("{signed}.{}", base64url(signature)),
    ));
}

fn odd_headers(forge: &Forge, corpus: &mut Vec<Bad>) {
    let kid = forge.kid(Algorithm::Hs256);
    let header = header(forge);
    for (kind, text) in [
        ("malformed", "null".to_owned()),
        ("malformed", "[]".to_owned()),
        ("malformed", format!("[{header}]")),
        ("malformed", format!("{header}{header}")),
        ("header", "{}".to_owned()),
        ("duplicate", format!(r#"{{"alg":"none","alg":"HS256","kid":"{kid}"}}"#)),
        ("duplicate", format!(r#"{{"alg":"HS256","kid":"{kid}","\u0061lg":"HS256"}}"#)),
        ("duplicate", format!(r#"{{"alg":"HS256","kid":"x","kid":"{kid}"}}"#)),
        ("duplicate", format!(r#"{{"alg":"HS256","kid":"{kid}","x":{{"y":1,"y":1}}}}"#)),
        ("header", format!(r#"{{"alg":"HS256","kid":"{kid}","crit":["exp"]}}"#)),
        ("header", format!(r#"{{"alg":"HS256","kid":"{kid}","crit":[]}}"#)),
        ("header", format!(r#"{{"alg":"HS256","kid":"{kid}","crit":null}}"#)),
        ("header", format!(r#"{{"alg":"HS256","kid":"{kid}","crit":["b64"],"b64":false}}"#)),
        ("header", format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"logout+jwt"}}"#)),
        ("header", format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"JWE"}}"#)),
        ("header", format!(r#"{{"alg":"HS256","kid":"{kid}","typ":""}}"#)),
        ("header", format!(r#"{{"alg":"HS256","kid":"{kid}","typ":["JWT"]}}"#)),
        ("header", format!(r#"{{"alg":"HS256","kid":["{kid}"]}}"#)),
        ("header", r#"{"alg":"HS256","kid":null}"#.to_owned()),
        ("header", r#"{"alg":"HS256","kid":0}"#.to_owned()),
        ("header", format!(r#"{{"alg":["HS256"],"kid":"{kid}"}}"#)),
        ("header", format!(r#"{{"alg":{{"HS256":1}},"kid":"{kid}"}}"#)),
        ("header", format!(r#"{{"kid":"{kid}"}}"#)),
        ("header", format!(r#"{{"ALG":"HS256","kid":"{kid}"}}"#)),
    ] {
        let token = forge.signed(Algorithm::Hs256, &text, &claims().to_string());
        corpus.push(Bad::new(kind, format!("header {text}"), token));
    }
}

fn header(forge: &Forge) -> String {
    forge.header(Algorithm::Hs256).to_string()
}

/// One of these tokens, after one to four changes.
pub fn mutated(random: &mut Random, valid: &[String]) -> String {
    const CHARACTERS: &[u8] = b"ABCXYZabcxyz019-_+/=.. \n\0{}\"%\x7f";
    let mut token = valid[random.below(valid.len())].clone().into_bytes();
    for _ in 0..=random.below(4) {
        let at = random.below(token.len() + 1);
        let character = CHARACTERS[random.below(CHARACTERS.len())];
        match random.below(7) {
            0 if at < token.len() => token[at] = character,
            1 => token.insert(at, character),
            2 if at < token.len() => drop(token.remove(at)),
            3 => token.truncate(at),
            4 if at < token.len() => {
                let other = random.below(token.len());
                token.swap(at, other);
            }
            5 => {
                let piece = token[at..(at + random.below(20)).min(token.len())].to_vec();
                let to = random.below(token.len() + 1);
                token.splice(to..to, piece);
            }
            // A part of another token in the place of one of this.
            _ => {
                let other = &valid[random.below(valid.len())];
                let part = other.as_bytes().split(|byte| *byte == b'.').nth(random.below(3));
                let mut parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
                let place = random.below(parts.len());
                parts[place] = part.unwrap_or_default();
                token = parts.join(&b'.');
            }
        }
    }
    String::from_utf8_lossy(&token).into_owned()
}
