//! Well signed, but not to be believed.

use inklog_access::Algorithm;
use inklog_protocol::limits::GRANTS_MAX;
use serde_json::{Map, Value, json};

use crate::Bad;
use crate::forge::{Forge, NOW, SIGNED, claims, with, without};

pub fn corpus(forge: &Forge) -> Vec<Bad> {
    let mut odd: Vec<(&'static str, Value)> = Vec::new();
    for name in ["sub", "exp", "iat"] {
        odd.push(("claim", without(name)));
    }
    let numbers = [
        json!(null),
        json!(true),
        json!("1800003600"),
        json!(""),
        json!([NOW + 3_600]),
        json!({"$numberLong": "1800003600"}),
        json!(-1),
        json!(i64::MIN),
        json!(1_800_003_600.5),
        json!(1.8e9),
        json!(1e300),
        json!(-0.5),
    ];
    for name in ["exp", "iat", "nbf"] {
        odd.extend(numbers.iter().map(|number| ("claim", with(name, number.clone()))));
    }
    for sub in [json!(""), json!(1), json!(null), json!(["alice"]), json!({"alice": 1}), json!(true)] {
        odd.push(("claim", with("sub", sub)));
    }
    for name in [json!(1), json!(["Alice"]), json!({}), json!(false)] {
        odd.push(("claim", with("name", name)));
    }
    times(&mut odd);
    audiences(&mut odd);
    rights(&mut odd);
    let mut corpus = Vec::new();
    for (kind, claims) in odd {
        for algorithm in SIGNED {
            corpus.push(Bad::new(kind, claims.to_string(), forge.claiming(algorithm, &claims)));
        }
    }
    for (kind, text) in written() {
        for algorithm in SIGNED {
            let token = forge.signed(algorithm, &forge.header(algorithm).to_string(), &text);
            corpus.push(Bad::new(kind, text.clone(), token));
        }
    }
    corpus
}

fn times(odd: &mut Vec<(&'static str, Value)>) {
    let lived = |iat: u64, exp: u64| {
        let mut claims = with("iat", json!(iat));
        claims["exp"] = json!(exp);
        claims
    };
    for exp in [NOW - 60, NOW - 61, NOW - 1_000] {
        odd.push(("expired", lived(NOW - 3_600, exp)));
    }
    odd.push(("expired", lived(0, 1)));
    odd.push(("issued_in_future", lived(NOW + 61, NOW + 3_600)));
    odd.push(("issued_in_future", lived(NOW + 62, NOW + 63)));
    odd.push(("issued_in_future", lived(u64::MAX - 1, u64::MAX)));
    odd.push(("not_yet", with("nbf", json!(NOW + 61))));
    odd.push(("not_yet", with("nbf", json!(u64::MAX))));
    for exp in [NOW + 86_461, NOW + 10 * 86_400, i64::MAX as u64, u64::MAX] {
        odd.push(("lives_too_long", lived(NOW, exp)));
    }
    odd.push(("lives_too_long", lived(NOW - 86_400, NOW + 61)));
    odd.push(("lives_too_long", lived(0, NOW + 60)));
    for exp in [NOW, NOW - 1, NOW - 59] {
        odd.push(("claim", lived(NOW, exp)));
    }
}

fn audiences(odd: &mut Vec<(&'static str, Value)>) {
    odd.push(("audience", without("aud")));
    for aud in [
        json!(null),
        json!(""),
        json!("Inklog"),
        json!("inklog "),
        json!("inklog,other"),
        json!("https://inklog"),
        json!([]),
        json!(["other"]),
        json!(["inklo", "g"]),
        json!([["inklog"]]),
        json!(["inklog", 1]),
        json!(["inklog", null]),
        json!({"inklog": true}),
        json!({"0": "inklog"}),
        json!(true),
    ] {
        odd.push(("audience", with("aud", aud)));
    }
}

fn rights(odd: &mut Vec<(&'static str, Value)>) {
    let many: Map<String, Value> = (0..=GRANTS_MAX).map(|n| (format!("d{n}"), json!("read"))).collect();
    for claim in [
        json!(null),
        json!({}),
        json!([]),
        json!("write"),
        json!(true),
        json!([{"notes": "write"}]),
        json!({"docs": [["notes", "write"]]}),
        json!({"docs": null}),
        json!({"docs": []}),
        json!({"docs": "*"}),
        json!({"docs": {"notes": "admin"}}),
        json!({"docs": {"notes": "WRITE"}}),
        json!({"docs": {"notes": ["write"]}}),
        json!({"docs": {"notes": {"write": null}}}),
        json!({"docs": {"notes": null}}),
        json!({"docs": {"notes": 2}}),
        json!({"docs": {"*notes": "write"}}),
        json!({"docs": {"no*tes": "write"}}),
        json!({"docs": {"**": "write"}}),
        json!({"docs": {"": "write"}}),
        json!({"docs": {"..": "write"}}),
        json!({"docs": {"a/b": "write"}}),
        json!({"docs": {"notes": "write"}, "deny": {"notes": "write"}}),
        json!({"Docs": {"notes": "write"}}),
        json!({"docs": many}),
    ] {
        odd.push(("grants", with("inklog", claim)));
    }
}

/// Claims as text: what no JSON library writes.
fn written() -> Vec<(&'static str, String)> {
    let valid = claims().to_string();
    let plus = |text: &str| format!("{},{text}}}", &valid[..valid.len() - 1]);
    let mut odd = Vec::new();
    for text in [
        r#""sub":"bob""#,
        r#""sub":"alice""#,
        r#""exp":9999999999"#,
        r#""iat":1"#,
        r#""aud":"inklog""#,
        r#""inklog":{"docs":{"*":"manage"}}"#,
        r#""\u0073ub":"bob""#,
        r#""x":{"a":1,"a":2}"#,
        r#""x":[{"a":1},{"a":1,"\u0061":2}]"#,
        r#""name":"a","name":"b""#,
    ] {
        odd.push(("duplicate", plus(text)));
    }
    // An issuer that pastes what its users type into JSON.
    for typed in [
        r#"alice","sub":"bob"#,
        r#"alice","inklog":{"docs":{"*":"manage"}},"x":""#,
        r#"x","exp":9999999999,"y":""#,
    ] {
        odd.push(("duplicate", valid.replace("\"alice\"", &format!("\"{typed}\""))));
        odd.push(("duplicate", plus(&format!(r#""name":"{typed}","sub":"z""#))));
    }
    odd.push(("duplicate", valid.replace(r#"{"notes":"write"}"#, r#"{"notes":"read","notes":"manage"}"#)));
    for typed in ["alice\n", "alice\0", "alice\u{1b}[2J", "alice\\", "alice\"", "\\ud800"] {
        odd.push(("malformed", valid.replace("\"alice\"", &format!("\"{typed}\""))));
    }
    let exp = (NOW + 3_600).to_string();
    for (kind, number) in [
        ("claim", "18446744073709551616"),
        ("claim", "99999999999999999999999999999999999999999999"),
        ("claim", "-1800003600"),
        ("claim", "1800003600.0"),
        ("claim", "1.8000036e9"),
        ("claim", "-0"),
        ("malformed", "1e999"),
        ("malformed", "+1800003600"),
        ("malformed", "01800003600"),
        ("malformed", "0x6b49d200"),
        ("malformed", "1_800_003_600"),
        ("malformed", "NaN"),
        ("malformed", "Infinity"),
        ("malformed", "1800003600n"),
    ] {
        odd.push((kind, valid.replace(&exp, number)));
    }
    odd
}

#[test]
fn what_stands_in_a_subject_or_a_name_stays_there() {
    let forge = Forge::new();
    for typed in [
        r#"alice","inklog":{"docs":{"*":"manage"}},"x":"#,
        "alice\r\nx-admin: true",
        "alice\0",
        "{\"docs\":{\"*\":\"manage\"}}",
        "../../etc/passwd",
        "*",
        "<script>alert(1)</script>",
    ] {
        let mut claims = with("sub", json!(typed));
        claims["name"] = json!(typed);
        let identity =
            forge.verifier().verify(&forge.claiming(Algorithm::Es256, &claims), NOW).expect("valid");
        assert!(identity.user.as_str().starts_with("u-"), "{typed:?}: {:?}", identity.user);
        let notes = inklog_protocol::DocId::new("notes").expect("a name");
        let other = inklog_protocol::DocId::new("other").expect("a name");
        assert_eq!(identity.right(&notes), Some(inklog_protocol::Right::Write));
        assert_eq!(identity.right(&other), None);
        assert!(!identity.name.clone().unwrap_or_default().contains(char::is_control), "{typed:?}");
        let context = identity.to_context();
        let read = inklog_access::Identity::from_context(|name| context.get(name).map(String::as_str));
        assert_eq!(read.as_ref(), Ok(&identity));
    }
}
