//! Algorithms, kids and signatures that are not the key's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use inklog_access::signing::SigningKeys;
use inklog_access::{Algorithm, Jwks, Rules, TokenVerifier};
use serde_json::{Value, json};

use crate::forge::{Forge, NOW, SIGNED, base64url, claims, hmac_signed, node, signed_by};
use crate::{Bad, refuse_all};

const ALL: [Algorithm; 4] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa, Algorithm::Hs256];

pub fn corpus(forge: &Forge) -> Vec<Bad> {
    let mut corpus = Vec::new();
    unsigned(forge, &mut corpus);
    other_algorithms(forge, &mut corpus);
    public_key_as_secret(forge, &mut corpus);
    other_kids(forge, &mut corpus);
    brought_keys(forge, &mut corpus);
    odd_signatures(forge, &mut corpus);
    corpus
}

fn unsigned(forge: &Forge, corpus: &mut Vec<Bad>) {
    let valid = forge.claiming(Algorithm::Hs256, &claims());
    let signature = valid.rsplit('.').next().expect("a signature");
    for word in ["none", "None", "NONE", "nOnE", "nonE", " none", "none ", "none\0", "nоne", "null", "", "HS"]
    {
        for algorithm in ALL {
            for (kid, kind) in [(Some(forge.kid(algorithm)), "algorithm"), (None, "no_kid")] {
                let mut header = json!({"typ": "JWT", "alg": word});
                if let Some(kid) = kid {
                    header["kid"] = kid.into();
                }
                let signed = format!("{}.{}", base64url(header.to_string()), base64url(claims().to_string()));
                for signature in ["", "AA", signature] {
                    corpus.push(Bad::new(kind, format!("alg {word:?}"), format!("{signed}.{signature}")));
                }
                corpus.push(Bad::new("malformed", format!("alg {word:?}, two parts"), signed));
            }
        }
    }
}

/// A good signature, under every algorithm but the key's.
fn other_algorithms(forge: &Forge, corpus: &mut Vec<Bad>) {
    let words = [
        "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES256K",
        "ES384", "ES512", "EdDSA", "Ed25519", "Ed448", "dir", "RSA-OAEP", "hs256", "es256", "eddsa",
        "HS256 ",
    ];
    for signs in SIGNED {
        for word in words {
            if word != signs.as_str() {
                let header = json!({"alg": word, "kid": forge.kid(signs)}).to_string();
                let token = forge.signed(signs, &header, &claims().to_string());
                corpus.push(Bad::new("algorithm", format!("{signs} says {word}"), token));
            }
        }
        for names in ALL {
            if names != signs {
                let token = forge.signed(signs, &forge.header(names).to_string(), &claims().to_string());
                corpus.push(Bad::new("signature", format!("{signs} for the key of {names}"), token));
            }
        }
    }
}

/// Whoever verifies HS256 with a public key lets in everybody who knows it.
fn public_key_as_secret(forge: &Forge, corpus: &mut Vec<Bad>) {
    let known = node();
    for (place, name) in ["RS256", "ES256", "EdDSA"].iter().enumerate() {
        let algorithm: Algorithm = name.parse().expect("an algorithm");
        let pem = known["pem"][name].as_str().expect("PEM");
        let body: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
        let der = base64::engine::general_purpose::STANDARD.decode(&body).expect("base64");
        let jwk = &known["jwks"]["keys"][place];
        let coordinate = jwk["x"].as_str().or(jwk["n"].as_str()).expect("a coordinate or modulus");
        let raw = URL_SAFE_NO_PAD.decode(coordinate).expect("base64url");
        let secrets: [(&str, Vec<u8>); 10] = [
            ("PEM", pem.into()),
            ("PEM without the last line break", pem.trim_end().into()),
            ("PEM with CRLF", pem.replace('\n', "\r\n").into()),
            ("PEM's body", body.into()),
            ("DER", der),
            ("JWK", jwk.to_string().into()),
            ("JWKS", known["jwks"].to_string().into()),
            ("number in base64url", coordinate.into()),
            ("number", raw),
            ("nothing", Vec::new()),
        ];
        // The keys as they stand in the set: with its kids, and alone.
        for (what, secret) in secrets {
            let own_kid = jwk["kid"].as_str().expect("a kid");
            for kid in [own_kid.to_owned(), forge.kid(algorithm)] {
                let known = forge.jwks.find(&kid).is_some();
                for word in ["HS256", name] {
                    let kind = match word {
                        _ if !known => "unknown_kid",
                        "HS256" => "algorithm",
                        _ => "signature",
                    };
                    let header = json!({"alg": word, "kid": kid}).to_string();
                    let token = hmac_signed(&secret, &header, &claims().to_string());
                    corpus.push(Bad::new(kind, format!("{name}'s {what} as the secret of {word}"), token));
                }
            }
        }
    }
}

fn other_kids(forge: &Forge, corpus: &mut Vec<Bad>) {
    let right = forge.kid(Algorithm::EdDsa);
    for kid in [
        "",
        "x",
        "0",
        "../../dev/null",
        "/dev/null",
        "' OR 1=1 --",
        "https://evil.example/jwks",
        "\0",
        &right.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A"),
        &format!("{right} "),
        &format!(" {right}"),
        &format!("{right}\0"),
        &right[..right.len() - 1],
    ] {
        let header = json!({"alg": "EdDSA", "kid": kid}).to_string();
        let token = forge.signed(Algorithm::EdDsa, &header, &claims().to_string());
        corpus.push(Bad::new("unknown_kid", format!("kid {kid:?}"), token));
    }
    for algorithm in SIGNED {
        let header = json!({"alg": algorithm.as_str()}).to_string();
        let token = forge.signed(algorithm, &header, &claims().to_string());
        corpus.push(Bad::new("no_kid", format!("{algorithm} without kid"), token));
    }
}

/// A header that brings its own key, or says where to get it.
fn brought_keys(forge: &Forge, corpus: &mut Vec<Bad>) {
    for algorithm in SIGNED {
        let own = SigningKeys::generate(algorithm).expect("a key");
        let signer = own.signer(None).expect("it signs");
        let set: Value = serde_json::from_str(&own.to_json()).expect("JSON");
        let jwk = &set["keys"][0];
        let brought = [
            ("jwk", jwk.clone()),
            ("jku", json!("https://evil.example/jwks")),
            ("x5u", json!("https://evil.example/cert")),
            ("x5c", json!(["MIIB"])),
            ("x5t", json!("x")),
            ("x5t#S256", json!("x")),
        ];
        for (name, value) in brought {
            let own_kid = jwk["kid"].as_str().map(str::to_owned);
            let kids =
                [(None, "no_kid"), (own_kid, "unknown_kid"), (Some(forge.kid(algorithm)), "signature")];
            for (kid, kind) in kids {
                let mut header = json!({"alg": algorithm.as_str(), name: value});
                if let Some(kid) = kid {
                    header["kid"] = kid.into();
                }
                let token = signed_by(&signer, &header.to_string(), &claims().to_string());
                corpus.push(Bad::new(kind, format!("{algorithm} brings {name}"), token));
            }
        }
    }
}

fn odd_signatures(forge: &Forge, corpus: &mut Vec<Bad>) {
    for token in forge.valid() {
        let (signed, signature) = token.rsplit_once('.').expect("parts");
        let good = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        let n = good.len();
        let mut odd = vec![
            ("all zero", vec![0; n]),
            ("all ones", vec![0xff; n]),
            ("a byte less", good[..n - 1].to_vec()),
            ("a byte more", [good.as_slice(), &[0]].concat()),
            ("a zero before", [&[0], good.as_slice()].concat()),
            ("half", good[..n / 2].to_vec()),
            ("twice", [good.as_slice(), good.as_slice()].concat()),
            ("backwards", good.iter().rev().copied().collect()),
            ("one byte", vec![good[0]]),
            ("as text", signature.as_bytes().to_vec()),
        ];
        if n == 64 {
            let (r, s) = good.split_at(32);
            odd.push(("halves swapped", [s, r].concat()));
            odd.push(("r zero", [&[0; 32], s].concat()));
            odd.push(("s zero", [r, &[0; 32]].concat()));
            odd.push(("r and s of P-256's order", [P256_ORDER, P256_ORDER].concat()));
            odd.push(("DER", der(r, s)));
            odd.push(("s plus Ed25519's order", [r, &plus_order(s)].concat()));
        }
        for (what, signature) in odd {
            let token = format!("{signed}.{}", base64url(signature));
            corpus.push(Bad::new("signature", format!("a signature of {n} bytes: {what}"), token));
        }
    }
    // The other's signature.
    let (mine, theirs) =
        (forge.claiming(Algorithm::Es256, &claims()), forge.claiming(Algorithm::EdDsa, &claims()));
    let (signed, _) = mine.rsplit_once('.').expect("parts");
    let (_, signature) = theirs.rsplit_once('.').expect("parts");
    corpus.push(Bad::new("signature", "another token's signature", format!("{signed}.{signature}")));
}

const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// Little-endian, as in signatures.
const ED25519_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// Another number that stands for the same scalar of Ed25519.
fn plus_order(s: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    s.iter()
        .zip(ED25519_ORDER)
        .map(|(a, b)| {
            carry += u16::from(*a) + u16::from(b);
            let byte = carry as u8;
            carry >>= 8;
            byte
        })
        .collect()
}

/// ECDSA's other form, which TLS has and JWTs have not.
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let number = |bytes: &[u8]| {
        let sign: &[u8] = if bytes[0] & 0x80 == 0 { &[] } else { &[0] };
        [&[0x02, (bytes.len() + sign.len()) as u8], sign, bytes].concat()
    };
    let numbers = [number(r), number(s)].concat();
    [vec![0x30, numbers.len() as u8], numbers].concat()
}

#[test]
fn a_public_key_that_stands_alone_is_no_secret_either() {
    for (place, name) in ["RS256", "ES256", "EdDSA"].iter().enumerate() {
        let known = node();
        let mut jwk = known["jwks"]["keys"][place].clone();
        let fields = jwk.as_object_mut().expect("an object");
        fields.remove("kid");
        fields.remove("alg");
        let jwks = Jwks::parse(json!({ "keys": [jwk] }).to_string().as_bytes()).expect("one key");
        let verifier = TokenVerifier::new(jwks, Rules::default());
        let pem = known["pem"][name].as_str().expect("PEM");
        let token = |word: &str| {
            hmac_signed(pem.as_bytes(), &json!({"alg": word}).to_string(), &claims().to_string())
        };
        let corpus =
            [Bad::new("algorithm", "HS256", token("HS256")), Bad::new("signature", *name, token(name))];
        refuse_all(name, &verifier, &corpus);
    }
}

#[test]
fn a_key_that_stands_alone_takes_tokens_without_kid() {
    for algorithm in SIGNED {
        let keys = SigningKeys::generate(algorithm).expect("a key");
        let verifier = TokenVerifier::new(keys.jwks().expect("a set"), Rules::default());
        let signer = keys.signer(None).expect("it signs");
        let header = json!({"alg": algorithm.as_str()}).to_string();
        let token = signed_by(&signer, &header, &claims().to_string());
        assert_eq!(verifier.verify(&token, NOW).expect("valid").user.as_str(), "alice");
        let header = json!({"alg": algorithm.as_str(), "kid": "x"}).to_string();
        let corpus = [Bad::new("unknown_kid", "a kid", signed_by(&signer, &header, &claims().to_string()))];
        refuse_all("alone", &verifier, &corpus);
    }
}
