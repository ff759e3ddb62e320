import { AutoIcon, MoonIcon, SunIcon } from "./Icons";
import { setTheme, useTheme, type Theme } from "./settings";

const NEXT: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };
const NAME: Record<Theme, string> = { auto: "system", light: "light", dark: "dark" };

/** Cycles: system, light, dark. */
export function ThemeButton() {
  const theme = useTheme();
  const label = `Theme: ${NAME[theme]}. Change to ${NAME[NEXT[theme]]}`;
  return (
    <button type="button" className="button-quiet" aria-label={label} title={label} onClick={() => setTheme(NEXT[theme])}>
      {theme === "auto" ? <AutoIcon /> : theme === "light" ? <SunIcon /> : <MoonIcon />}
    </button>
  );
}
