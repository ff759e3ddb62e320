// What whoever serves this page says of their application: `config.json` beside it, which may be missing.

/** Addresses of the application that signs people in; each may be left out. See web/README.md. */
export interface Config {
  /** A page to go to, with `?return=` this page. It comes back with `#token=`. */
  signIn?: URL;
  /** Asked with the application's cookies for a token: `?doc=` → `{"token": "…"}`, or 401. */
  token?: URL;
  /** Asked for a link: POST `{"doc": "…", "right": "read" | "write"}` → `{"link": "https://…"}`. */
  share?: URL;
}

const NAMES = ["signIn", "token", "share"] as const;

let known: Promise<Config> | null = null;

/** Rejects if the page's server cannot be reached; the next call tries again. */
export function readConfig(): Promise<Config> {
  known ??= fetch("/config.json", { cache: "no-cache" }).then(parse);
  known.catch(() => (known = null));
  return known;
}

async function parse(answer: Response): Promise<Config> {
  // No such file, or a host that answers every path with the page itself.
  if (answer.status === 404 || (answer.headers.get("content-type") ?? "").includes("text/html")) return {};
  if (!answer.ok) throw new Error(`config.json: ${answer.status}`);
  const text = await answer.text();
  const config: Config = {};
  let said: Record<string, unknown>;
  try {
    said = { ...JSON.parse(text) };
  } catch {
    console.error("config.json is not JSON, so nobody can sign in");
    return config;
  }
  for (const name of NAMES) {
    if (said[name] === undefined) continue;
    const url = urlOf(said[name]);
    if (url) config[name] = url;
    else console.error(`config.json: ${name} must be an http or https address, or a path`);
  }
  return config;
}

/** Where it leads, from this page; `null` for what is no address of a page, such as `javascript:`. */
export function urlOf(value: unknown): URL | null {
  if (typeof value !== "string" || !URL.canParse(value, location.origin)) return null;
  const url = new URL(value, location.origin);
  return /^https?:$/.test(url.protocol) ? url : null;
}
