/** The API of the server that the page came from, or the one that it was built for. */
export const API = import.meta.env.VITE_INKLOG_URL || `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/dev`;
