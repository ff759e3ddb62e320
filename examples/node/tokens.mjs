// JWTs signed with HS256. In an application of your own, use a library for it, such as `jose`.
import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";

/** Signs and verifies with the first symmetric key of a file that `inklog keys new --alg HS256` wrote. */
export function tokens(file) {
  const key = JSON.parse(readFileSync(file, "utf8")).keys.find(({ kty }) => kty === "oct");
  if (!key) throw new Error(`${file} has no symmetric key: write one with \`inklog keys new --alg HS256 > ${file}\``);
  const secret = Buffer.from(key.k, "base64url");
  const base64 = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const mac = (text) => createHmac("sha256", secret).update(text).digest();
  return {
    sign(claims, seconds) {
      const iat = Math.floor(Date.now() / 1000);
      const body = `${base64({ alg: "HS256", typ: "JWT", kid: key.kid })}.${base64({ ...claims, iat, exp: iat + seconds })}`;
      return `${body}.${mac(body).toString("base64url")}`;
    },
    /** The claims of a token of this key for this audience that has not ended; null for anything else. */
    verify(token, aud) {
      const [header, claims, signature = ""] = String(token).split(".");
      const [ours, theirs] = [mac(`${header}.${claims}`), Buffer.from(signature, "base64url")];
      if (theirs.length !== ours.length || !timingSafeEqual(theirs, ours)) return null;
      const said = JSON.parse(Buffer.from(claims, "base64url"));
      return said.aud === aud && said.exp > Date.now() / 1000 ? said : null;
    },
  };
}
