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
/** In localStorage: the file as it was last read, since nothing else tells offline that people sign in here. */
const LAST_KEY = "inklog.config";
const READ_MS_MAX = 5_000;

let known: Promise<Config> | null = null;

/** Rejects if the page's server cannot be reached; the next call tries again. */
export function readConfig(): Promise<Config> {
  known ??= fetch("/config.json", { cache: "no-cache", signal: AbortSignal.timeout(READ_MS_MAX) }).then(take);
  known.catch(() => (known = null));
  return known;
}

/** The configuration as it was last read here; `null` if none was. */
export function lastConfig(): Config | null {
  try {
    const last = localStorage.getItem(LAST_KEY);
    return last === null ? null : parse(last);
  } catch {
    // Storage is switched off.
    return null;
  }
}

async function take(answer: Response): Promise<Config> {
  // A host that answers every path with the page itself has no such file, either.
  const isMissing = answer.status === 404 || (answer.headers.get("content-type") ?? "").includes("text/html");
  if (!isMissing && !answer.ok) throw new Error(`config.json: ${answer.status}`);
  const text = isMissing ? "{}" : await answer.text();
  try {
    localStorage.setItem(LAST_KEY, text);
  } catch {
    // It is then read again each time.
  }
  return parse(text);
}

function parse(text: string): Config {
  const config: Config = {};
  try {
    const said = { ...JSON.parse(text) };
    for (const name of NAMES) {
      if (said[name] === undefined) continue;
      const url = urlOf(said[name]);
      if (url) config[name] = url;
      else console.error(`config.json: ${name} must be an http or https address, or a path`);
    }
  } catch {
    console.error("config.json is not JSON, so nobody can sign in");
  }
  return config;
}

/** Where it leads, from this page; `null` for what is no address of a page, such as `javascript:`. */
export function urlOf(value: unknown): URL | null {
  if (typeof value !== "string" || !URL.canParse(value, location.origin)) return null;
  const url = new URL(value, location.origin);
  return /^https?:$/.test(url.protocol) ? url : null;
}
