// Validates an application's names before the server would refuse them.

/** Throws a RangeError on an invalid document id. */
export function checkDocId(docId: unknown): asserts docId is string {
  if (typeof docId !== "string" || !/^[\w.~-]{1,128}$/.test(docId) || /^\.\.?$/.test(docId)) {
    throw new RangeError("docId must be 1 to 128 of A-Z a-z 0-9 . _ ~ -, and not . or ..");
  }
}

/** Throws a RangeError on an invalid user name. */
export function checkUser(user: unknown): asserts user is string {
  if (typeof user !== "string" || !/^[\w.-]{1,40}$/.test(user)) throw new RangeError("user must be 1 to 40 of A-Z a-z 0-9 . _ -");
}

/** The server that a URL names, normalized. */
export function addressOf(url: unknown): string {
  if (typeof url !== "string" || !url) throw new RangeError("url must be the address of an Inklog API, like wss://…/prod");
  const { location } = globalThis as { location?: { href: string } };
  try {
    const { protocol, host, pathname } = new URL(url, location?.href);
    return `${protocol.replace("http", "ws")}//${host}${pathname.replace(/\/+$/, "")}`;
  } catch {
    // The connection will say what is wrong with it.
    return url.split(/[?#]/)[0]!;
  }
}
