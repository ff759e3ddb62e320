// Before the first paint: the theme that was chosen here, so that a dark room stays dark. See src/settings.ts.
try {
  const theme = localStorage.getItem("inklog.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is switched off: the system's theme it is.
}
